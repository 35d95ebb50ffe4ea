import type { LockedDomain } from './decide.ts';
import { type Drift, judgeDrift, type KnownCertificates } from './drift.ts';
import type { KnownAddress, Observation, Occasion } from './observe.ts';
import { nextProbe, type ProbeSchedule } from './probe-schedule.ts';
import { isServed, type Truth } from './status.ts';
import type { Warnings } from './view.ts';
import { type DomainView, settledView } from './view.ts';

/** A domain as the transaction that saves its look has locked it. */
export interface ProbedDomain extends LockedDomain {
  readonly addresses: readonly KnownAddress[];
  readonly failures: number;
  readonly drift: Drift;
  /** When its renewal is due, as its row has it, epoch ms. */
  readonly renewalDueAt: number | null;
  /** What the certificate that events expect is called by its CA (RFC 9773), as far as it is known. */
  readonly ari: Ari | null;
}

/** The name of a certificate for renewal information, and the reference that the domain's row knows the certificate by. */
export interface Ari {
  readonly id: string;
  readonly certificateRef: string;
}

export interface ProbeWrite {
  readonly domain: ProbedDomain;
  readonly observation: Observation;
  readonly view: DomainView;
  readonly drift: Drift;
  readonly schedule: ProbeSchedule;
  readonly lookDueAt: number | null;
  /** True when anything but the time of the look is new. */
  readonly changed: boolean;
  /** Set when another certificate's name was learned. */
  readonly ari: Ari | null;
}

export interface ConcludeLimits extends Warnings {
  readonly now: number;
  readonly quietSeconds: number;
  readonly graceSeconds: number;
}

/** A full handshake with the certificate that counts for the domain tells what its CA calls it. */
const learnedAri = (truth: Truth, { ari }: ProbedDomain, { seen }: Observation): Ari | null => {
  const { state } = truth;
  const isExpected = ({ ref, notAfter }: Observation['seen'][number]): boolean =>
    isServed(state, ref, notAfter) ?? (state.certificateRef === null && ref === truth.served.certificateRef);
  const found = seen.find((one) => one.ariId !== null && isExpected(one));
  if (found?.ariId === undefined || found.ariId === null) return null;
  const certificateRef = state.certificateRef ?? found.ref;
  return found.ariId === ari?.id && certificateRef === ari.certificateRef ? null : { id: found.ariId, certificateRef };
};

/**
 * Decides what a look changes about a domain: status, drift, and when to turn to it again. What events said is no part of the
 * outcome.
 */
export const concludeProbe = (
  domain: ProbedDomain,
  observation: Observation,
  known: KnownCertificates,
  { asked, overtaken }: Occasion,
  limits: ConcludeLimits,
): ProbeWrite => {
  const { now } = limits;
  const { settings, state, served: before, clocks } = domain;
  const truth: Truth = { settings, state, served: observation.served };
  const view = settledView(truth, domain.window, now, limits.warnDays);
  const drift = judgeDrift(truth, observation.seen, known, domain.drift, limits);
  const last = { probeDueAt: clocks.probeDueAt, probeChecks: clocks.probeChecks };
  const looked = { domain: domain.domain, truth, observation, last, asked };
  const changed =
    view.tlsStatus !== clocks.tlsStatus ||
    observation.served.fault !== before.fault ||
    observation.served.certificateRef !== before.certificateRef ||
    drift.state !== domain.drift.state ||
    (view.renewalDue?.at ?? null) !== domain.renewalDueAt;
  return {
    domain,
    observation,
    view,
    drift,
    schedule: overtaken ? last : nextProbe(looked, limits),
    lookDueAt: changed || clocks.alerting ? now : clocks.lookDueAt,
    changed,
    ari: learnedAri(truth, domain, observation),
  };
};
