import type { SeenCertificate } from './observe.ts';
import { isServed, type Truth } from './status.ts';
import type { DriftState } from './types.ts';

/** How a domain stands between events and what is served; `since` is epoch ms. */
export interface Drift {
  readonly state: DriftState | null;
  readonly since: number | null;
}

/** Certificates that a domain has had: events spoke of them, or they were served before the last success. */
export interface KnownCertificates {
  readonly refs: ReadonlySet<string>;
  /** Ends of those that events named otherwise than by their hash, in whole seconds since 1970. */
  readonly ends: ReadonlySet<number>;
}

export const noneKnown: KnownCertificates = { refs: new Set(), ends: new Set() };

export interface DriftLimits {
  readonly now: number;
  /** CERT_PROBE_DRIFT_GRACE_SECONDS. */
  readonly graceSeconds: number;
}

type Finding = 'in_step' | 'differ' | 'other' | 'not_comparable' | 'unseen';

/** True when every address serves the certificate that events spoke of; null when that cannot be told. */
const compare = ({ state }: Truth, seen: readonly SeenCertificate[]): Finding => {
  const [first] = seen;
  if (first === undefined) return 'unseen';
  if (seen.some(({ ref }) => ref !== first.ref)) return 'differ';
  const same = isServed(state, first.ref, first.notAfter);
  if (same === null) return 'not_comparable';
  return same ? 'in_step' : 'other';
};

/** Whether the judgement needs to know which certificates the domain has had. */
export const needsKnown = (truth: Truth, seen: readonly SeenCertificate[]): boolean =>
  isJudged(truth) && compare(truth, seen) === 'other';

/** When a mismatch counts (epoch ms): a renewed certificate has this long to be deployed. */
export const graceEndsAt = ({ state }: Truth, graceSeconds: number): number | null =>
  state.lastSuccessAt === null ? null : state.lastSuccessAt + graceSeconds * 1000;

const isJudged = ({ settings }: Truth): boolean =>
  settings.tlsMode === 'termination' && settings.routed && settings.verified;

const unseen = (truth: Truth, last: Drift): DriftState | null => {
  if (last.state !== 'in_step') return last.state;
  const { state, served } = truth;
  return isServed(state, served.certificateRef, served.notAfter) === true ? 'in_step' : null;
};

const mismatch = (truth: Truth, last: Drift, to: DriftState, limits: DriftLimits): DriftState | null => {
  const end = graceEndsAt(truth, limits.graceSeconds);
  if (end === null || limits.now >= end) return to;
  return last.state === 'in_step' ? null : last.state;
};

const isKnown = ({ refs, ends }: KnownCertificates, { ref, notAfter }: SeenCertificate): boolean =>
  refs.has(ref.toUpperCase()) || ends.has(Math.floor(notAfter / 1000));

const stateOf = (
  truth: Truth,
  seen: readonly SeenCertificate[],
  known: KnownCertificates,
  last: Drift,
  limits: DriftLimits,
): DriftState | null => {
  if (!isJudged(truth)) return null;
  switch (compare(truth, seen)) {
    case 'unseen':
      return unseen(truth, last);
    case 'in_step':
      return 'in_step';
    case 'not_comparable':
      return null;
    case 'differ':
      return mismatch(truth, last, 'addresses_differ', limits);
    case 'other':
      return mismatch(truth, last, seen.some((one) => isKnown(known, one)) ? 'stale_served' : 'unknown_served', limits);
  }
};

/**
 * Compares what events said with what is served. A mismatch counts once the grace after the last success is over; until then
 * an earlier one stands. A look that saw no certificate tells nothing new.
 */
export const judgeDrift = (
  truth: Truth,
  seen: readonly SeenCertificate[],
  known: KnownCertificates,
  last: Drift,
  limits: DriftLimits,
): Drift => {
  const state = stateOf(truth, seen, known, last, limits);
  if (state === null) return { state, since: null };
  return { state, since: state === last.state ? (last.since ?? limits.now) : limits.now };
};

/** True when the domain serves something else than it should, counted or within the grace. */
export const isOutOfStep = (truth: Truth, seen: readonly SeenCertificate[]): boolean => {
  const finding = compare(truth, seen);
  return isJudged(truth) && (finding === 'differ' || finding === 'other');
};
