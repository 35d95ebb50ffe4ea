import { graceEndsAt, isOutOfStep } from './drift.ts';
import type { Observation } from './observe.ts';
import { deploymentCheckMs } from './schedule.ts';
import type { Truth } from './status.ts';

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const longest = day;
const shortest = 15 * minute;
/** A certificate that lives for hours is looked at more often, but not more than this. */
const shortestEver = minute;
const driftEvery = hour;
const faultEvery = 6 * hour;
const deadEvery = 7 * day;

/** A number in [0, 1) that follows from a text (FNV-1a): the same domain always gets the same. */
export const shareOf = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1)
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193) >>> 0;
  // The last byte alone would hardly move the result: it is spread over all bits (the end of MurmurHash3).
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35) >>> 0;
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
};

const jittered = (ms: number, domain: string): number => ms * (0.9 + 0.2 * shareOf(domain));

const clamp = (value: number, least: number, most: number): number => Math.max(least, Math.min(most, value));

/** Time between looks at a domain that is well: a 24th of what is left of its certificate, from 15 minutes to a day. */
export const ordinaryIntervalMs = (notBefore: number | null, notAfter: number, now: number): number => {
  const lifetime = notBefore === null ? Number.POSITIVE_INFINITY : Math.max(0, notAfter - notBefore);
  const least = clamp(lifetime / 24, shortestEver, shortest);
  return clamp((notAfter - now) / 24, least, longest);
};

/** Time until a domain with a fault is looked at again: 15 minutes, doubling to 6 hours; to 7 days when no address gave a
 * certificate. `failures` counts looks in a row, the first one before it was confirmed included. */
export const faultIntervalMs = (failures: number, dead: boolean): number =>
  Math.min(dead ? deadEvery : faultEvery, shortest * 2 ** clamp(failures - 2, 0, 20));

/** 30 to 120 s: later than a hiccup, sooner than anybody is woken. */
export const secondLookMs = (domain: string): number => 30 * second + 90 * second * shareOf(domain);

export interface ProbeSchedule {
  readonly probeDueAt: number;
  readonly probeChecks: number;
}

export interface Looked {
  readonly domain: string;
  readonly truth: Truth;
  readonly observation: Observation;
  /** The schedule under which it was looked at. */
  readonly last: ProbeSchedule;
  readonly asked: boolean;
}

export interface ProbeLimits {
  readonly now: number;
  /** CERT_PROBE_QUIET_SECONDS. */
  readonly quietSeconds: number;
  /** CERT_PROBE_DRIFT_GRACE_SECONDS. */
  readonly graceSeconds: number;
}

const intervalOf = ({ domain, truth, observation }: Looked, now: number): number => {
  const { seen, failures } = observation;
  if (failures > 0) return jittered(faultIntervalMs(failures, seen.length === 0), domain);
  const ends = seen.toSorted((a, b) => a.notAfter - b.notAfter)[0];
  const ordinary = ends === undefined ? hour : ordinaryIntervalMs(ends.notBefore, ends.notAfter, now);
  return jittered(isOutOfStep(truth, seen) ? Math.min(ordinary, driftEvery) : ordinary, domain);
};

/** When the grace of a deployment ends that has not arrived everywhere: then it is known whether it counts. */
const verdictDue = ({ truth, observation }: Looked, { now, graceSeconds }: ProbeLimits): number => {
  const end = graceEndsAt(truth, graceSeconds);
  if (end === null || end <= now || !isOutOfStep(truth, observation.seen)) return Number.POSITIVE_INFINITY;
  return end + second;
};

/**
 * When a domain is looked at next. Looks at a deployment (1, 5 and 15 minutes after a success event) are counted down and
 * keep their time; a second look in between, or one that an operator asked for, does not use one up. After an event the domain is left alone for the quiet time,
 * but for a second look at a fault and the end of a deployment's grace.
 */
export const nextProbe = (looked: Looked, limits: ProbeLimits): ProbeSchedule => {
  const { domain, observation, last, asked, truth } = looked;
  const { now } = limits;
  const again = observation.unconfirmed ? now + secondLookMs(domain) : Number.POSITIVE_INFINITY;
  const early = Math.min(again, verdictDue(looked, limits));
  if (asked && last.probeChecks > 0 && last.probeDueAt > now)
    return { probeDueAt: Math.round(Math.min(last.probeDueAt, early)), probeChecks: last.probeChecks };
  if (last.probeChecks > 1) {
    const gap = deploymentCheckMs[deploymentCheckMs.length - last.probeChecks + 1] ?? minute;
    return early < now + gap
      ? { probeDueAt: Math.round(early), probeChecks: last.probeChecks }
      : { probeDueAt: now + gap, probeChecks: last.probeChecks - 1 };
  }
  const quietUntil = (truth.state.lastEventAt ?? 0) + limits.quietSeconds * second;
  const ordinary = now + intervalOf(looked, now);
  const due = Math.min(last.probeChecks > 0 ? ordinary : Math.max(ordinary, quietUntil), early);
  return { probeDueAt: Math.round(due), probeChecks: 0 };
};
