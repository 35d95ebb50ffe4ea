import type { DeploymentEnv, IncidentRoute } from './notice.ts';
import type { ErrorClass } from './types.ts';

/**
 * What kind of failure made an event a dead letter (contract 7): `transient` passes by itself, `dependency` passes once
 * something outside is well again, `data` never passes, `exhausted` has used up its replays.
 */
export const escalationClasses = ['transient', 'dependency', 'data', 'exhausted'] as const;
export type EscalationClass = (typeof escalationClasses)[number];

/** A dead letter as the policy sees it; times are epoch milliseconds. */
export interface DeadLetter {
  readonly errorClass: ErrorClass;
  /** Its error, with what differs from event to event taken out. */
  readonly pattern: string;
  /** Times it was replayed. */
  readonly replays: number;
  readonly createdAt: number;
  readonly failedAt: number;
}

export interface PolicyLimits {
  /** Epoch ms. */
  readonly now: number;
  readonly environment: DeploymentEnv;
  readonly maxReplays: number;
  readonly cooldownMs: number;
  readonly maxAgeMs: number;
}

/**
 * What is known of the thing outside that a group of dead letters waits for: `failing` it was met again within the cooldown,
 * `untried` nothing has been tried since, `trying` one event is under way, `well` that event was applied.
 */
export type DependencyHealth = 'failing' | 'untried' | 'trying' | 'well';

export type PolicyDecision =
  | {
      readonly kind: 'replay';
      readonly class: EscalationClass;
      /** Only this one of its group, to see how it goes. */
      readonly alone: boolean;
    }
  | { readonly kind: 'wait'; readonly class: EscalationClass; readonly reason: string }
  | {
      readonly kind: 'escalate';
      readonly class: EscalationClass;
      readonly route: IncidentRoute;
      readonly reason: string;
    };

// What speaks of a service beside us, not of a slow moment of our own.
const outside =
  /\b(?:answered <n>|(?:unavailable|unreachable|(?:cannot|could not) be reached|refused|does not answer|did not answer|no answer|no route to host|rate limit\w*|too many requests|dns|getaddrinfo|E(?:CONNREFUSED|HOSTUNREACH|NETUNREACH|NOTFOUND)|EAI_\w+)\b)/i;

/**
 * The kind of a failure. `unresolved` depends on a registration, which applies the event by itself, so that its replays
 * never run out; `invalid` is data; `internal` is a fault on our side, or outside where its pattern says so.
 */
export const escalationClassOf = (
  { errorClass, pattern, replays }: Pick<DeadLetter, 'errorClass' | 'pattern' | 'replays'>,
  maxReplays: number,
): EscalationClass => {
  if (errorClass === 'unresolved') return 'dependency';
  if (errorClass === 'invalid') return 'data';
  if (replays >= maxReplays) return 'exhausted';
  return outside.test(pattern) ? 'dependency' : 'transient';
};

/** Only what has used up its replays wakes somebody, and only in production. */
export const escalationRoute = (escalation: EscalationClass, environment: DeploymentEnv): IncidentRoute =>
  escalation === 'exhausted' && environment === 'prod' ? 'page' : 'ticket';

/**
 * Decides what the policy does with a dead letter (contract 7). A cooldown that has just passed is over; an event is too old
 * from the limit on.
 *
 * @param health of what the event's group depends on; asked only of the class `dependency`
 */
export const decidePolicy = (letter: DeadLetter, limits: PolicyLimits, health: DependencyHealth): PolicyDecision => {
  const { now, environment, maxReplays, cooldownMs, maxAgeMs } = limits;
  const kind = escalationClassOf(letter, maxReplays);
  const wait = (reason: string): PolicyDecision => ({ kind: 'wait', class: kind, reason });
  const escalate = (reason: string): PolicyDecision => ({
    kind: 'escalate',
    class: kind,
    route: escalationRoute(kind, environment),
    reason,
  });
  if (letter.errorClass === 'unresolved') return wait('applied by itself once its domain is registered');
  if (kind === 'data') return escalate('it cannot succeed as it was sent');
  if (kind === 'exhausted') return escalate(`it was replayed ${letter.replays} times and failed again`);
  if (now - letter.createdAt >= maxAgeMs) return escalate('it is too old to be replayed by policy');
  if (now - letter.failedAt < cooldownMs) return wait('its last failure is too recent');
  if (kind === 'transient') return { kind: 'replay', class: kind, alone: false };
  if (health === 'failing') return wait('what it depends on was failing a short while ago');
  if (health === 'trying') return wait('one event of its group is tried first');
  return { kind: 'replay', class: kind, alone: health === 'untried' };
};
