import * as fc from 'fast-check';
import type { ProbedDomain } from '../../src/lifecycle/conclude.ts';
import { type CertState, emptyState } from '../../src/lifecycle/fold.ts';
import type { KnownAddress, Observation, SeenCertificate } from '../../src/lifecycle/observe.ts';
import { isConclusive, type Look, type ProbeResult, type Verdict, verdicts } from '../../src/lifecycle/served.ts';
import { type DomainSettings, neverServed, type Served, type Truth } from '../../src/lifecycle/status.ts';
import { driftStates, eventTypes, tlsModes } from '../../src/lifecycle/types.ts';

const day = 86_400_000;
export const now = Date.UTC(2026, 0, 1);

/** `sha256:` and 64 digits that stand for a name. */
export const refOf = (name: string): string =>
  `sha256:${Buffer.from(name).toString('hex').toUpperCase().padEnd(64, '0')}`;

export const settings: DomainSettings = {
  tlsMode: 'termination',
  routed: true,
  verified: true,
  failurePolicy: 'standard',
  expiryWarnPercent: null,
};

interface TruthParts {
  readonly settings?: Partial<DomainSettings>;
  readonly state?: Partial<CertState>;
  readonly served?: Partial<Served>;
}

export const truthWith = (parts: TruthParts = {}): Truth => ({
  settings: { ...settings, ...parts.settings },
  state: { ...emptyState, ...parts.state },
  served: { ...neverServed, ...parts.served },
});

/** State after a success event `ago` ms before now that named this certificate. */
export const renewedTo = (name: string, ago: number): Partial<CertState> => ({
  lastEventId: 'e1',
  lastEventType: 'renewal_succeeded',
  lastEventAt: now - ago,
  lastSuccessAt: now - ago,
  certificateRef: refOf(name),
  notBefore: now - day,
  notAfter: now + 60 * day,
});

/** A look at an address; a certificate where the verdict speaks of one, from a full handshake unless it is a fetch. */
export const lookAt = (address: string, verdict: Verdict, name = 'a', more: Partial<Look> = {}): Look => {
  const has = verdict === 'ok' || isConclusive(verdict);
  const ref = refOf(name);
  const certificate = {
    ref,
    serial: '01',
    subject: 'CN=a',
    issuer: 'CN=ca',
    names: ['a.example'],
    notBefore: now - day,
    notAfter: now + 60 * day,
    chainNotAfter: now + 60 * day,
    chainLength: 2,
    ariId: `ari.${name}`,
    tlsVersion: 'TLSv1.3',
    ocsp: null,
  };
  const depth = more.depth ?? 'full';
  return {
    address,
    verdict,
    error: verdict === 'ok' ? null : `it is ${verdict}`,
    depth,
    certificateRef: has ? ref : null,
    certificate: has && depth === 'full' ? certificate : null,
    checkedAt: now,
    durationMs: 1,
    ...more,
  };
};

/** An address as the last full handshake, an hour ago, left it. */
export const addressWith = (address: string, name = 'a', more: Partial<KnownAddress> = {}): KnownAddress => ({
  address,
  certificateRef: refOf(name),
  notBefore: now - day,
  notAfter: now + 60 * day,
  chainNotAfter: now + 60 * day,
  verdict: 'ok',
  error: null,
  depth: 'full',
  fullVerdict: 'ok',
  fullError: null,
  fullyCheckedAt: now - 3_600_000,
  checkedAt: now - 3_600_000,
  failures: 0,
  ...more,
});

export const resultOf = (...looks: readonly Look[]): ProbeResult => ({ looks, fault: null });

export const seenWith = (name: string, more: Partial<SeenCertificate> = {}): SeenCertificate => ({
  ref: refOf(name),
  notBefore: now - day,
  notAfter: now + 60 * day,
  ariId: null,
  ...more,
});

export const observationWith = (more: Partial<Observation> = {}): Observation => ({
  served: neverServed,
  seen: [],
  rows: [],
  touched: [],
  dropped: [],
  facts: [],
  failures: 0,
  unconfirmed: false,
  ...more,
});

const names = fc.constantFrom('a', 'b', 'c');
const addresses = fc.constantFrom('192.0.2.1:443', '192.0.2.2:443', '[2001:db8::1]:443');
const moment = fc.integer({ min: -3, max: 3 }).map((hours) => now + hours * 3_600_000);
const someVerdict = fc.constantFrom(...verdicts);

export const anyResult: fc.Arbitrary<ProbeResult> = fc.oneof(
  fc
    .uniqueArray(fc.tuple(addresses, someVerdict, names, fc.constantFrom('fetch' as const, 'full' as const)), {
      selector: ([address]) => address,
      minLength: 1,
      maxLength: 3,
    })
    .map((looks) =>
      resultOf(...looks.map(([address, verdict, name, depth]) => lookAt(address, verdict, name, { depth }))),
    ),
  fc
    .constantFrom<Verdict>('dns_failed', 'dns_timeout')
    .map((verdict) => ({ looks: [], fault: { verdict, error: verdict } })),
);

export const anyDomain: fc.Arbitrary<ProbedDomain> = fc.record({
  id: fc.constant('d1'),
  domain: fc.constantFrom('a.example', 'b.example'),
  orgId: fc.constant(null),
  settings: fc.record({
    tlsMode: fc.constantFrom(...tlsModes),
    routed: fc.boolean(),
    verified: fc.boolean(),
    failurePolicy: fc.constant('standard' as const),
    expiryWarnPercent: fc.constant(null),
  }),
  state: fc
    .tuple(fc.option(fc.constantFrom(...eventTypes)), moment, names)
    .map(([type, at, name]) =>
      type === null
        ? emptyState
        : { ...emptyState, ...renewedTo(name, now - at), lastEventType: type, lastEventAt: at },
    ),
  served: fc.tuple(fc.boolean(), names, fc.option(someVerdict), moment).map(([seen, name, fault, checkedAt]) =>
    seen
      ? {
          certificateRef: refOf(name),
          notBefore: now - day,
          notAfter: now + 60 * day,
          fault,
          faultError: fault,
          checkedAt,
        }
      : neverServed,
  ),
  window: fc.constant(null),
  clocks: fc.record({
    tlsStatus: fc.constant('issued' as const),
    alerting: fc.boolean(),
    lookDueAt: fc.option(moment),
    probeDueAt: moment,
    probeChecks: fc.integer({ min: 0, max: 3 }),
  }),
  addresses: fc
    .uniqueArray(fc.tuple(addresses, names, someVerdict, fc.integer({ min: 0, max: 3 })), {
      selector: ([address]) => address,
    })
    .map((rows) => rows.map(([address, name, verdict, failures]) => addressWith(address, name, { verdict, failures }))),
  failures: fc.integer({ min: 0, max: 20 }),
  drift: fc.tuple(fc.option(fc.constantFrom(...driftStates)), moment).map(([state, since]) => ({
    state,
    since: state === null ? null : since,
  })),
  renewalDueAt: fc.option(moment),
  ari: fc.constant(null),
});
