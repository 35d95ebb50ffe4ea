import type { EscalationClass } from './escalation.ts';
import type { IncidentRoute } from './notice.ts';
import type { ErrorClass } from './types.ts';

/** Dead letters of one cause, as the policy judged them. */
export interface PolicyGroup {
  readonly fingerprint: string;
  readonly pattern: string;
  readonly errorClass: ErrorClass;
  readonly class: EscalationClass;
  readonly events: number;
  /** When the first of them gave up, epoch ms. */
  readonly since: number;
  /** Why they are left alone for now, or why they will not be replayed any more. */
  readonly reason: string;
}

export interface PolicyEscalation extends PolicyGroup {
  readonly route: IncidentRoute;
}

/** One run of the replay policy. */
export interface PolicyReport {
  /** `dry-run` changes nothing. */
  readonly mode: 'on' | 'dry-run';
  /** Epoch ms. */
  readonly at: number;
  /** Dead letters there were. */
  readonly events: number;
  /** Events that were replayed, or would have been, by class; the oldest ones, at most as many as a run may. */
  readonly replayed: Readonly<Partial<Record<EscalationClass, number>>>;
  readonly waiting: readonly PolicyGroup[];
  readonly escalations: readonly PolicyEscalation[];
  /** Groups that are not listed. */
  readonly more: number;
  /** First replays that show whether a dependency is well again, by fingerprint. */
  readonly first: Readonly<Record<string, FirstReplay>>;
}

/** The one event of a group that is replayed before all others. */
export interface FirstReplay {
  readonly eventId: string;
  /** Epoch ms. */
  readonly at: number;
}
