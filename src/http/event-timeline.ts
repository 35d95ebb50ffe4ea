import type { Db } from '../db/client.ts';
import { type EventDetail, type EventRow, readEventDetail } from '../db/event-reads.ts';
import { attemptsOfAll, deliveriesAfter } from '../db/notification-reads.ts';
import type { NoticeAction, NoticeClass } from '../lifecycle/notice.ts';
import type { ErrorClass, EventOutcome, IncidentTier, IncidentType } from '../lifecycle/types.ts';
import { eventJobId } from '../queues/job-id.ts';

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

interface OfEvent {
  readonly at: Date;
  readonly generation: number;
}

interface OfIncident {
  readonly at: Date;
  readonly incident: string;
  readonly incident_type: IncidentType;
  readonly tier: IncidentTier;
}

interface OfNotification {
  readonly at: Date;
  readonly notification: string;
  readonly channel: string;
}

/** Something that happened to an event, or came of it. */
export type TimelineEntry =
  | (OfEvent & { readonly kind: 'received'; readonly source: string; readonly cluster_id: string | null })
  /** `job`: the job that carried it first; null where it went with others of a bulk replay. */
  | (OfEvent & { readonly kind: 'queued'; readonly job: string | null })
  | (OfEvent & {
      readonly kind: 'replayed';
      readonly actor: string;
      readonly reason: string | null;
      readonly replay_id: number | null;
    })
  | (OfEvent & {
      readonly kind: 'try_failed';
      readonly attempt: number;
      readonly error_class: ErrorClass;
      readonly error: string;
      readonly next_retry_at: Date | null;
    })
  | (OfEvent & { readonly kind: 'failed'; readonly error: string | null })
  | (OfEvent & { readonly kind: 'applied'; readonly outcome: EventOutcome })
  | (OfIncident & { readonly kind: 'incident_raised'; readonly reason: string | null })
  | (OfIncident & {
      readonly kind: 'incident_acknowledged' | 'incident_resolved';
      readonly by: string | null;
      readonly note: string | null;
    })
  | (OfNotification & {
      readonly kind: 'notification_decided';
      readonly action: NoticeAction;
      readonly class: NoticeClass;
      readonly summary: string;
    })
  | (OfNotification & {
      readonly kind: 'notification_try';
      readonly attempt: number;
      readonly delivered: boolean;
      readonly status: number | null;
      readonly error: string | null;
    });

/** A notification of an event's story, with its tries. */
export type Delivery = Awaited<ReturnType<typeof readDeliveries>>[number];

const readDeliveries = async (db: Db, event: EventRow) => {
  const told = await deliveriesAfter(db, event);
  const tries = await attemptsOfAll(
    db,
    told.map(({ id }) => id),
  );
  const byNotification = Map.groupBy(tries, ({ notification_id: id }) => id);
  return told.map((notification) => ({
    ...notification,
    attempts: (byNotification.get(notification.id) ?? []).map(({ notification_id: _of, ...attempt }) => attempt),
  }));
};

/** All tries in the order they were made: the failed ones from the ledger, then the good one, which is the event's own end. */
const attemptsOf = (event: EventRow, failed: EventDetail['attempts']): Attempt[] => {
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

// Things of one millisecond, in the order in which they can only have happened.
const rank = {
  received: 0,
  replayed: 1,
  queued: 2,
  try_failed: 3,
  failed: 4,
  applied: 5,
  incident_raised: 6,
  incident_resolved: 7,
  incident_acknowledged: 8,
  notification_decided: 9,
  notification_try: 10,
} as const satisfies Record<TimelineEntry['kind'], number>;

const generationOf = (entry: TimelineEntry): number => ('generation' in entry ? entry.generation : Infinity);

const byTime = (a: TimelineEntry, b: TimelineEntry): number => {
  const [first, second] = [generationOf(a), generationOf(b)];
  return a.at.getTime() - b.at.getTime() || (first === second ? 0 : first - second) || rank[a.kind] - rank[b.kind];
};

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

/** A job is made as soon as the commit before it is through; nothing notes that moment, so that it has the commit's own. */
const arrivalsOf = (event: EventRow, { replays, groupId }: EventDetail): TimelineEntry[] => {
  const { id, source, cluster_id, created_at } = event;
  return [
    { at: created_at, generation: 0, kind: 'received', source, cluster_id },
    { at: created_at, generation: 0, kind: 'queued', job: groupId },
    ...replays.flatMap(({ generation, actor, reason, replay_id, created_at: at }): TimelineEntry[] => [
      { at, generation, kind: 'replayed', actor, reason, replay_id },
      { at, generation, kind: 'queued', job: replay_id === null ? eventJobId(id, generation) : null },
    ]),
  ];
};

const incidentsOf = (event: EventRow, { incidents }: EventDetail): TimelineEntry[] =>
  incidents.flatMap((incident): TimelineEntry[] => {
    const { id, incident_type, tier, acknowledged_at: seen, resolved_at: ended } = incident;
    const of = { incident: id, incident_type, tier };
    const raised: TimelineEntry = { at: incident.created_at, ...of, kind: 'incident_raised', reason: incident.reason };
    const { acknowledged_by, acknowledge_note, resolved_by, resolve_note } = incident;
    return [
      ...(incident.event_id === event.id ? [raised] : []),
      ...(seen === null
        ? []
        : [{ at: seen, ...of, kind: 'incident_acknowledged' as const, by: acknowledged_by, note: acknowledge_note }]),
      ...(ended === null
        ? []
        : [{ at: ended, ...of, kind: 'incident_resolved' as const, by: resolved_by, note: resolve_note }]),
    ];
  });

const deliveryEntries = ({ id, created_at, attempts, ...told }: Delivery): TimelineEntry[] => {
  const { channel, action, class: noticeClass, summary } = told;
  const of = { notification: id, channel };
  return [
    { at: created_at, ...of, kind: 'notification_decided', action, class: noticeClass, summary },
    ...attempts.map(({ attempt, delivered, status, error, created_at: at }): TimelineEntry => ({
      at,
      ...of,
      kind: 'notification_try',
      attempt,
      delivered,
      status,
      error,
    })),
  ];
};

/** Everything about one event, oldest first. A try after which there is no next one is followed by `failed`. */
export const readStory = async (db: Db, event: EventRow) => {
  const [detail, deliveries] = await Promise.all([readEventDetail(db, event), readDeliveries(db, event)]);
  const tries = triesOf(detail);
  const timeline = [
    ...arrivalsOf(event, detail),
    ...tries,
    ...endOf(event, tries),
    ...incidentsOf(event, detail),
    ...deliveries.flatMap(deliveryEntries),
  ].toSorted(byTime);
  return {
    attempts: attemptsOf(event, detail.attempts),
    replays: detail.replays.map(({ id: _id, event_id: _event, ...replay }) => replay),
    deliveries,
    incidents: detail.incidents,
    domain: detail.domain,
    timeline,
  };
};

export type EventStory = Awaited<ReturnType<typeof readStory>>;
