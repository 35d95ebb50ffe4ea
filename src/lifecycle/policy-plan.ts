import {
  type DeadLetter,
  decidePolicy,
  type DependencyHealth,
  type EscalationClass,
  type PolicyDecision,
  type PolicyLimits,
} from './escalation.ts';
import type { FirstReplay, PolicyEscalation, PolicyGroup } from './policy-report.ts';

/** Dead letters of one fingerprint that the policy treats alike; times are epoch milliseconds. */
export interface LetterGroup extends DeadLetter {
  readonly fingerprint: string;
  readonly events: number;
  /** When the first and the last of the fingerprint gave up. */
  readonly since: number;
  readonly lastFailedAt: number;
}

/** A first replay, and what became of its event; null: the event is gone. */
export interface FirstOutcome extends FirstReplay {
  readonly status: 'pending' | 'applied' | 'failed' | null;
}

export interface PolicyPlan {
  /** Fingerprints to replay from; of those that stand `alone` only the oldest event. */
  readonly replay: readonly {
    readonly fingerprint: string;
    readonly class: EscalationClass;
    readonly alone: boolean;
  }[];
  readonly waiting: readonly PolicyGroup[];
  readonly escalations: readonly PolicyEscalation[];
  /** First replays that still say something. */
  readonly first: Readonly<Record<string, FirstReplay>>;
}

// A first replay that is not through by then is not waited for any longer; all its tries together take 23 minutes.
const patienceMs = 3_600_000;

/** What is known of the thing that a group waits for, from what failed last and from the event that was tried first. */
export const healthOf = (
  lastFailedAt: number,
  first: FirstOutcome | undefined,
  { now, cooldownMs }: Pick<PolicyLimits, 'now' | 'cooldownMs'>,
): DependencyHealth => {
  if (first !== undefined && lastFailedAt <= first.at) {
    if (first.status === 'applied') return 'well';
    if (first.status === 'pending' && now - first.at < patienceMs) return 'trying';
  }
  return now - lastFailedAt < cooldownMs ? 'failing' : 'untried';
};

const merged = <T extends PolicyGroup>(groups: readonly T[]): T[] => {
  const known = new Map<string, T>();
  for (const group of groups) {
    const key = `${group.fingerprint} ${group.class} ${group.reason}`;
    const same = known.get(key);
    known.set(key, same === undefined ? group : { ...same, events: same.events + group.events });
  }
  return [...known.values()].toSorted((a, b) => b.events - a.events || a.since - b.since);
};

/** One alert for each fingerprint and class, whatever the reasons: that of most of its events is told. */
const byClass = (escalations: readonly PolicyEscalation[]): PolicyEscalation[] => {
  const known = new Map<string, PolicyEscalation>();
  for (const one of escalations) {
    const key = `${one.fingerprint} ${one.class}`;
    const same = known.get(key);
    known.set(key, same === undefined ? one : { ...same, events: same.events + one.events });
  }
  return [...known.values()];
};

/** Decides what a run of the policy does with all dead letters. Pure. */
export const planPolicy = (
  groups: readonly LetterGroup[],
  firsts: ReadonlyMap<string, FirstOutcome>,
  limits: PolicyLimits,
): PolicyPlan => {
  const decided = groups.map((group): readonly [LetterGroup, PolicyDecision] => [
    group,
    decidePolicy(group, limits, healthOf(group.lastFailedAt, firsts.get(group.fingerprint), limits)),
  ]);
  const told = ({ fingerprint, pattern, errorClass, events, since }: LetterGroup) => ({
    fingerprint,
    pattern,
    errorClass,
    events,
    since,
  });
  const present = new Set(groups.map(({ fingerprint }) => fingerprint));
  const kept = [...firsts].filter(
    ([fingerprint, { status }]) => present.has(fingerprint) && (status === 'pending' || status === 'applied'),
  );
  return {
    replay: decided.flatMap(([{ fingerprint }, decision]) =>
      decision.kind === 'replay' ? [{ fingerprint, class: decision.class, alone: decision.alone }] : [],
    ),
    waiting: merged(
      decided.flatMap(([group, decision]) =>
        decision.kind === 'wait' ? [{ ...told(group), class: decision.class, reason: decision.reason }] : [],
      ),
    ),
    escalations: byClass(
      merged(
        decided.flatMap(([group, decision]) =>
          decision.kind === 'escalate'
            ? [{ ...told(group), class: decision.class, reason: decision.reason, route: decision.route }]
            : [],
        ),
      ),
    ),
    first: Object.fromEntries(kept.map(([fingerprint, { eventId, at }]) => [fingerprint, { eventId, at }])),
  };
};
