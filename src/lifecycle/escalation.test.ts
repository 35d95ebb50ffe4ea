import { describe, expect, it } from 'vitest';
import {
  type DeadLetter,
  decidePolicy,
  type DependencyHealth,
  escalationClassOf,
  escalationRoute,
  type PolicyLimits,
} from './escalation.ts';
import type { ErrorClass } from './types.ts';

const now = Date.UTC(2026, 10, 20, 3);
const hour = 3_600_000;
const cooldownMs = 900_000;
const maxAgeMs = 168 * hour;
const limits: PolicyLimits = { now, environment: 'prod', maxReplays: 3, cooldownMs, maxAgeMs };

const letter = (change: Partial<DeadLetter> = {}): DeadLetter => ({
  errorClass: 'internal',
  pattern: 'deadline passed after <n> ms',
  replays: 0,
  createdAt: now - hour,
  failedAt: now - cooldownMs,
  ...change,
});
const away = 'tunnel directory answered <n> for <domain>';

describe('escalationClassOf', () => {
  const table: readonly (readonly [ErrorClass, pattern: string, replays: number, wanted: string])[] = [
    ['unresolved', 'The domain is not registered', 0, 'dependency'],
    ['unresolved', 'The domain is not registered', 3, 'dependency'],
    ['invalid', 'date/time field value out of range', 0, 'data'],
    ['invalid', 'connect ECONNREFUSED <address>', 9, 'data'],
    ['internal', 'Cannot read properties of undefined', 0, 'transient'],
    ['internal', 'route lookup timed out after <n> ms', 0, 'transient'],
    ['internal', '', 0, 'transient'],
    ['internal', away, 0, 'dependency'],
    ['internal', 'connect ECONNREFUSED <address>', 2, 'dependency'],
    ['internal', 'getaddrinfo EAI_AGAIN <domain>', 0, 'dependency'],
    ['internal', 'the directory is Unavailable', 0, 'dependency'],
    ['internal', 'the directory did not answer within <n> s', 0, 'dependency'],
    ['internal', 'Cannot read properties of undefined', 2, 'transient'],
    ['internal', 'Cannot read properties of undefined', 3, 'exhausted'],
    ['internal', away, 3, 'exhausted'],
    ['internal', away, 4, 'exhausted'],
  ];
  it.each(table)('takes %s "%s" after %i replays for %s', (errorClass, pattern, replays, wanted) => {
    expect(escalationClassOf({ errorClass, pattern, replays }, 3)).toBe(wanted);
  });
});

describe('escalationRoute', () => {
  it.each([
    ['exhausted', 'prod', 'page'],
    ['exhausted', 'staging', 'ticket'],
    ['exhausted', 'dev', 'ticket'],
    ['data', 'prod', 'ticket'],
    ['transient', 'prod', 'ticket'],
    ['dependency', 'prod', 'ticket'],
  ] as const)('sends %s in %s as a %s', (kind, environment, route) => {
    expect(escalationRoute(kind, environment)).toBe(route);
  });
});

describe('decidePolicy', () => {
  const table: readonly (readonly [what: string, Partial<DeadLetter>, DependencyHealth, wanted: string])[] = [
    ['a cooldown that is just over', {}, 'well', 'replay transient'],
    ['a cooldown that is not over by a millisecond', { failedAt: now - cooldownMs + 1 }, 'well', 'wait transient'],
    ['a failure ahead of our clock', { failedAt: now + 1000 }, 'well', 'wait transient'],
    ['an event just young enough', { createdAt: now - maxAgeMs + 1 }, 'well', 'replay transient'],
    ['an event just too old', { createdAt: now - maxAgeMs }, 'well', 'escalate transient ticket'],
    ['an old event in its cooldown', { createdAt: 0, failedAt: now }, 'well', 'escalate transient ticket'],
    ['one replay left', { replays: 2 }, 'well', 'replay transient'],
    ['no replay left', { replays: 3 }, 'well', 'escalate exhausted page'],
    ['no replay left, in its cooldown', { replays: 3, failedAt: now }, 'well', 'escalate exhausted page'],
    ['more replays than allowed', { replays: 7, createdAt: 0 }, 'well', 'escalate exhausted page'],
    ['data at once', { errorClass: 'invalid', failedAt: now }, 'well', 'escalate data ticket'],
    ['data however often a person replayed it', { errorClass: 'invalid', replays: 9 }, 'well', 'escalate data ticket'],
    ['no domain', { errorClass: 'unresolved' }, 'well', 'wait dependency'],
    ['no domain, replayed and old', { errorClass: 'unresolved', replays: 9, createdAt: 0 }, 'well', 'wait dependency'],
    ['a dependency that fails', { pattern: away }, 'failing', 'wait dependency'],
    ['a dependency that nobody tried', { pattern: away }, 'untried', 'replay dependency alone'],
    ['a dependency that is tried', { pattern: away }, 'trying', 'wait dependency'],
    ['a dependency that is well', { pattern: away }, 'well', 'replay dependency'],
    ['a well dependency in the cooldown', { pattern: away, failedAt: now - 1 }, 'well', 'wait dependency'],
    ['an old event of a failing dependency', { pattern: away, createdAt: 0 }, 'failing', 'escalate dependency ticket'],
    ['a transient fault beside a failing dependency', {}, 'failing', 'replay transient'],
  ];
  it.each(table)('answers %s', (_what, change, health, wanted) => {
    const decided = decidePolicy(letter(change), limits, health);
    const words: string[] = [decided.kind, decided.class];
    if (decided.kind === 'replay' && decided.alone) words.push('alone');
    if (decided.kind === 'escalate') words.push(decided.route);
    expect(words.join(' ')).toBe(wanted);
  });

  it('gives a reason for whatever it does not replay', () => {
    const reasons = table.flatMap(([, change, health]) => {
      const decided = decidePolicy(letter(change), limits, health);
      return decided.kind === 'replay' ? [] : [decided.reason];
    });
    expect(reasons.filter((reason) => !/^[a-z]/.test(reason))).toEqual([]);
    expect(new Set(reasons).size).toBeGreaterThan(6);
  });

  it('pages nobody outside of production', () => {
    const decided = decidePolicy(letter({ replays: 3 }), { ...limits, environment: 'staging' }, 'well');
    expect(decided).toMatchObject({ kind: 'escalate', class: 'exhausted', route: 'ticket' });
  });
});
