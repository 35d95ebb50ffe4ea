import { isSuccess } from './types.ts';
import type { IncidentStatus, IncidentTier, IncidentType, LedgerEvent } from './types.ts';

export type IncidentContext = Readonly<Record<string, string | number | null>>;

/** What an event, or several of one kind, say about an incident. */
export interface IncidentDraft {
  readonly type: IncidentType;
  readonly tier: IncidentTier;
  /** Null when a look or the clock raised it. */
  readonly eventId: string | null;
  readonly reason: string | null;
  readonly context: IncidentContext;
  readonly eventIds: ReadonlySet<string>;
}

/** What ended an incident: an event, a good look, or settings by which nobody judges the domain any more. */
export type ResolvedBy = 'event' | 'probe' | 'settings';

export type IncidentOp =
  | { readonly kind: 'raise'; readonly draft: IncidentDraft }
  | { readonly kind: 'recover'; readonly type: IncidentType; readonly by: ResolvedBy }
  | { readonly kind: 'resolve'; readonly byEventId: string; readonly except: readonly IncidentType[] };

/** Tier of an incident from the event that makes it (contract 3); an attempt that was not given is the first. */
export const tierOf = (event: Pick<LedgerEvent, 'eventType' | 'callbackClass' | 'callbackAttempt'>): IncidentTier => {
  const attempt = event.callbackAttempt ?? 1;
  switch (event.eventType) {
    case 'renewal_failed':
      return attempt >= 3 ? 3 : 2;
    case 'issuance_failed':
      if (attempt >= 5) return 3;
      return event.callbackClass === 'challenge' && attempt >= 3 ? 2 : 1;
    case 'certificate_expiring':
      return attempt >= 2 ? 2 : 1;
    default:
      return 1;
  }
};

const contextOf = (event: LedgerEvent): IncidentContext =>
  Object.fromEntries(
    Object.entries({
      source: event.source,
      clusterId: event.clusterId,
      sourceEventId: event.sourceEventId,
      callbackClass: event.callbackClass,
      callbackAction: event.callbackAction,
      callbackAttempt: event.callbackAttempt,
      certificateRef: event.certificateRef,
    }).filter(([, value]) => value !== null),
  );

/** The incident an event raises; null for a success, which resolves instead. */
export const raiseFor = (event: LedgerEvent): IncidentDraft | null => {
  const type = event.eventType;
  if (isSuccess(type)) return null;
  return {
    type,
    tier: tierOf(event),
    eventId: event.id,
    reason: event.reason,
    context: contextOf(event),
    eventIds: new Set([event.id]),
  };
};

const higher = (a: IncidentTier, b: IncidentTier): IncidentTier => (a > b ? a : b);

/** A later draft of the same type on top of an earlier one: the tier never falls, a missing reason keeps the old one. */
export const mergeDrafts = (earlier: IncidentDraft, later: IncidentDraft): IncidentDraft => ({
  type: later.type,
  tier: higher(earlier.tier, later.tier),
  eventId: later.eventId,
  reason: later.reason ?? earlier.reason,
  context: { ...earlier.context, ...later.context },
  eventIds: new Set([...earlier.eventIds, ...later.eventIds]),
});

/** An open or acknowledged incident as it stands in the database. */
export interface CurrentIncident {
  readonly id: string;
  readonly type: IncidentType;
  readonly tier: IncidentTier;
  readonly status: IncidentStatus;
  readonly reason: string | null;
  readonly context: IncidentContext;
}

export interface IncidentWrite {
  readonly id: string | null;
  readonly type: IncidentType;
  readonly tier: IncidentTier;
  readonly status: IncidentStatus;
  readonly eventId: string | null;
  readonly reason: string | null;
  readonly context: IncidentContext;
  /** Null unless it is resolved. */
  readonly resolvedBy: ResolvedBy | null;
}

const raised = (current: IncidentWrite | undefined, draft: IncidentDraft): IncidentWrite => {
  const live = current !== undefined && current.status !== 'resolved' ? current : null;
  const { type, tier, eventId, reason, context } = draft;
  if (live === null) return { id: null, type, tier, status: 'open', eventId, reason, context, resolvedBy: null };
  return {
    id: live.id,
    type,
    tier: higher(live.tier, tier),
    status: tier > live.tier ? 'open' : live.status,
    eventId,
    reason: reason ?? live.reason,
    context: { ...live.context, ...context },
    resolvedBy: null,
  };
};

const resolvable: readonly IncidentType[] = ['issuance_failed', 'renewal_failed', 'certificate_expiring'];

const endOf = (
  op: Exclude<IncidentOp, { kind: 'raise' }>,
  { context }: IncidentWrite,
): Pick<IncidentWrite, 'context' | 'resolvedBy'> =>
  op.kind === 'recover'
    ? { context, resolvedBy: op.by }
    : { context: { ...context, resolvedByEventId: op.byEventId }, resolvedBy: 'event' };

/**
 * Settles the operations of one domain, in order, against its open incidents.
 *
 * @returns the rows to write: `id` null inserts, else updates. An incident that opens and resolves within one batch is
 * written once, as resolved, so that history keeps it.
 */
export const settleIncidents = (current: readonly CurrentIncident[], ops: readonly IncidentOp[]): IncidentWrite[] => {
  const live = new Map<IncidentType, IncidentWrite>(
    current.map((row) => [row.type, { ...row, eventId: null, resolvedBy: null }]),
  );
  const done: IncidentWrite[] = [];
  const touched = new Set<IncidentType>();
  for (const op of ops) {
    if (op.kind === 'raise') {
      live.set(op.draft.type, raised(live.get(op.draft.type), op.draft));
      touched.add(op.draft.type);
      continue;
    }
    const ended = op.kind === 'recover' ? [op.type] : resolvable.filter((type) => !op.except.includes(type));
    for (const type of ended) {
      const row = live.get(type);
      if (row === undefined) continue;
      done.push({ ...row, status: 'resolved', ...endOf(op, row) });
      live.delete(type);
      touched.delete(type);
    }
  }
  return [...done, ...[...live.values()].filter((row) => touched.has(row.type))];
};
