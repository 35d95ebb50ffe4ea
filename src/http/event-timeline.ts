import type { EventDetail, EventRow } from '../db/event-reads.ts';
import type { ErrorClass, EventOutcome } from '../lifecycle/types.ts';

/** One try of an event; the one that went well has no error. */
export interface Attempt {
  readonly generation: number;
  readonly attempt: number;
  readonly result: 'failed' | EventOutcome;
  readonly error_class: ErrorClass | null;
  readonly error: string | null;
  readonly next_retry_at: Date | null;
  readonly created_at: Date;
}

/** Something that happened to an event. */
export type TimelineEntry = { readonly at: Date; readonly generation: number } & (
  | { readonly kind: 'received'; readonly source: string; readonly cluster_id: string | null }
  | { readonly kind: 'replayed'; readonly actor: string; readonly reason: string | null }
  | {
      readonly kind: 'try_failed';
      readonly attempt: number;
      readonly error_class: ErrorClass;
      readonly error: string;
      readonly next_retry_at: Date | null;
    }
  | { readonly kind: 'failed'; readonly error: string | null }
  | { readonly kind: 'applied'; readonly outcome: EventOutcome }
);

/** All tries in the order they were made: the failed ones from the ledger, then the good one, which is the event's own end. */
export const attemptsOf = (event: EventRow, failed: EventDetail['attempts']): Attempt[] => {
  const attempts: Attempt[] = failed.map(({ id: _id, event_id: _event, ...attempt }) => ({
    ...attempt,
    result: 'failed',
  }));
  if (event.status !== 'applied' || event.processed_at === null) return attempts;
  const good = { generation: event.generation, attempt: event.retry_count + 1, created_at: event.processed_at };
  return [
    ...attempts,
    { ...good, result: event.outcome ?? 'applied', error_class: null, error: null, next_retry_at: null },
  ];
};

// Things of one millisecond and generation, in the order in which they can only have happened.
const rank = { received: 0, replayed: 1, try_failed: 2, failed: 3, applied: 4 } as const satisfies Record<
  TimelineEntry['kind'],
  number
>;

const byTime = (a: TimelineEntry, b: TimelineEntry): number =>
  a.at.getTime() - b.at.getTime() || a.generation - b.generation || rank[a.kind] - rank[b.kind];

const triesOf = ({ attempts }: EventDetail): TimelineEntry[] =>
  attempts.flatMap(({ generation, attempt, error_class, error, next_retry_at, created_at: at }): TimelineEntry[] => {
    const tried: TimelineEntry = { at, generation, kind: 'try_failed', attempt, error_class, error, next_retry_at };
    return next_retry_at === null ? [tried, { at, generation, kind: 'failed', error }] : [tried];
  });

const endOf = (
  { status, outcome, generation, processed_at: at, last_error: error }: EventRow,
  tries: readonly TimelineEntry[],
): TimelineEntry[] => {
  if (at === null) return [];
  if (status === 'applied') return [{ at, generation, kind: 'applied', outcome: outcome ?? 'applied' }];
  // An event that was given up without a try of its own has no line for it yet.
  const told = tries.some((entry) => entry.kind === 'failed' && entry.generation === generation);
  return status === 'failed' && !told ? [{ at, generation, kind: 'failed', error }] : [];
};

/** The whole story of an event, oldest first. A try after which there is no next one is followed by `failed`. */
export const timelineOf = (event: EventRow, detail: EventDetail): TimelineEntry[] => {
  const { source, cluster_id, created_at } = event;
  const tries = triesOf(detail);
  const replays = detail.replays.map(({ generation, actor, reason, created_at: at }): TimelineEntry => ({
    at,
    generation,
    kind: 'replayed',
    actor,
    reason,
  }));
  const received: TimelineEntry = { at: created_at, generation: 0, kind: 'received', source, cluster_id };
  return [received, ...replays, ...tries, ...endOf(event, tries)].sort(byTime);
};
