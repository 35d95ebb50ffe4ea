import {
  isConclusive,
  type KnownServed,
  type Look,
  type ProbeDepth,
  type ProbeResult,
  type ServedCertificate,
  type Verdict,
} from './served.ts';
import { type Served, standingFault, type Truth } from './status.ts';

/**
 * Faults from worst to least. First those that a certificate keeps until it is replaced, in the order of the verdict on one
 * certificate; then servers that answer wrongly; then those that do not answer; last what keeps this product from asking.
 */
const worstFirst = [
  'expired',
  'not_yet_valid',
  'untrusted',
  'wrong_host',
  'not_tls',
  'tls_alert',
  'starttls_failed',
  'oversized',
  'closed',
  'connection_refused',
  'handshake_timeout',
  'connect_timeout',
  'unreachable',
  'address_refused',
  'dns_failed',
  'dns_timeout',
] as const satisfies readonly Verdict[];

const rank = new Map<Verdict, number>(worstFirst.map((verdict, index) => [verdict, index]));
const rankOf = ({ verdict }: Look): number => rank.get(verdict) ?? worstFirst.length;

/** What is kept of an address. Certificate and full verdict are those of its last full handshake; times are epoch ms. */
export interface KnownAddress {
  readonly address: string;
  readonly certificateRef: string | null;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  readonly chainNotAfter: number | null;
  readonly verdict: Verdict;
  readonly error: string | null;
  readonly depth: ProbeDepth;
  readonly fullVerdict: Verdict | null;
  readonly fullError: string | null;
  readonly fullyCheckedAt: number | null;
  readonly checkedAt: number;
  /** Looks in a row that found no certificate. */
  readonly failures: number;
}

/** An address after a look; `certificate` only where a full handshake has just shown it. */
export interface AddressRow extends KnownAddress {
  readonly certificate: ServedCertificate | null;
}

/** A certificate that an address presented at this look. */
export interface SeenCertificate {
  readonly ref: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** From a full handshake only. */
  readonly ariId: string | null;
}

/** A change worth remembering; `address` is empty when the name led to none. */
export interface Fact {
  readonly address: string;
  readonly certificateRef: string | null;
  readonly notAfter: number | null;
  readonly verdict: Verdict;
  readonly error: string | null;
  readonly depth: ProbeDepth;
}

/** What was known of a domain before a look. */
export interface Before {
  readonly truth: Truth;
  readonly addresses: readonly KnownAddress[];
  /** Looks in a row that met a fault. */
  readonly failures: number;
}

export interface Observation {
  readonly served: Served;
  readonly seen: readonly SeenCertificate[];
  /** Addresses with something new, and those of which only time and depth of the look are new. */
  readonly rows: readonly AddressRow[];
  readonly touched: readonly AddressRow[];
  /** Addresses that the name has no more. */
  readonly dropped: readonly string[];
  readonly facts: readonly Fact[];
  readonly failures: number;
  /** True when a fault was met that another look has to confirm. */
  readonly unconfirmed: boolean;
}

export interface Occasion {
  /** When the look was over, epoch ms. */
  readonly at: number;
  /** An operator asked: whatever is found counts at once. */
  readonly asked: boolean;
  /** The domain was written while the look was under way: two looks at the same hiccup confirm nothing. */
  readonly overtaken: boolean;
}

/** What a prober is told of an address, so that fetching its certificate may be enough; null before a full handshake. */
export const knownServed = (row: KnownAddress): KnownServed | null => {
  const { certificateRef, notBefore, notAfter, fullVerdict, fullyCheckedAt } = row;
  if (certificateRef === null || notBefore === null || notAfter === null) return null;
  if (fullVerdict === null || fullyCheckedAt === null) return null;
  return {
    certificateRef,
    verdict: fullVerdict,
    error: row.fullError,
    notBefore,
    notAfter,
    chainNotAfter: row.chainNotAfter ?? notAfter,
    fullyCheckedAt,
  };
};

const isFault = ({ verdict }: Look): boolean => verdict !== 'ok';
const foundNone = (verdict: Verdict): boolean => verdict !== 'ok' && !isConclusive(verdict);

const rowAfter = (before: KnownAddress | undefined, look: Look): AddressRow => {
  const { address, verdict, error, depth, checkedAt, certificate } = look;
  const failures = foundNone(verdict) ? (before?.failures ?? 0) + 1 : 0;
  const now = { address, verdict, error, depth, checkedAt, failures, certificate };
  if (certificate !== null)
    return {
      ...now,
      certificateRef: certificate.ref,
      notBefore: certificate.notBefore,
      notAfter: certificate.notAfter,
      chainNotAfter: certificate.chainNotAfter,
      fullVerdict: verdict,
      fullError: error,
      fullyCheckedAt: checkedAt,
    };
  return {
    ...now,
    certificateRef: before?.certificateRef ?? null,
    notBefore: before?.notBefore ?? null,
    notAfter: before?.notAfter ?? null,
    chainNotAfter: before?.chainNotAfter ?? null,
    fullVerdict: before?.fullVerdict ?? null,
    fullError: before?.fullError ?? null,
    fullyCheckedAt: before?.fullyCheckedAt ?? null,
  };
};

interface Met {
  readonly look: Look;
  readonly before: KnownAddress | undefined;
  readonly row: AddressRow;
}

const seenAt = ({ look, row }: Met): SeenCertificate[] => {
  const { certificateRef: ref, notBefore, notAfter } = row;
  if (ref === null || notBefore === null || notAfter === null || look.certificateRef !== ref) return [];
  return [{ ref, notBefore, notAfter, ariId: look.certificate?.ariId ?? null }];
};

const isUnchanged = ({ before, row }: Met): boolean =>
  before !== undefined &&
  row.certificate === null &&
  row.verdict === before.verdict &&
  row.error === before.error &&
  row.failures === before.failures;

const isNews = ({ before, row }: Met): boolean =>
  before === undefined || row.verdict !== before.verdict || row.certificateRef !== before.certificateRef;

const factOf = ({ look, row }: Met): Fact => ({
  address: row.address,
  certificateRef: look.certificateRef,
  notAfter: look.certificateRef === row.certificateRef ? row.notAfter : null,
  verdict: row.verdict,
  error: row.error,
  depth: row.depth,
});

/** Neither this look nor the one before found a certificate anywhere; a name may lead to other addresses each time. */
const isNowhere = ({ addresses }: Before, met: readonly Met[]): boolean =>
  addresses.length > 0 &&
  addresses.every(({ failures }) => failures > 0) &&
  met.every(({ look }) => foundNone(look.verdict));

const isConfirmed = ({ look, before }: Met, { asked, overtaken }: Occasion, nowhere: boolean): boolean =>
  asked || isConclusive(look.verdict) || (!overtaken && (nowhere || (before !== undefined && before.failures > 0)));

const faultOf = (faults: readonly Met[]): Pick<Served, 'fault' | 'faultError'> => {
  const [worst, ...others] = faults.map(({ look }) => look).toSorted((a, b) => rankOf(a) - rankOf(b));
  if (worst === undefined) return { fault: null, faultError: null };
  const more = others.length === 0 ? '' : ` (${others.length} more of its addresses at fault)`;
  return { fault: worst.verdict, faultError: `${worst.address}: ${worst.error ?? worst.verdict}${more}` };
};

/** The certificate that ends first; of those that end together, the one that is first by name. */
const endsFirst = (seen: readonly SeenCertificate[]): SeenCertificate | undefined =>
  seen.toSorted((a, b) => a.notAfter - b.notAfter || (a.ref < b.ref ? -1 : 1))[0];

/** The name led to no address: what is known of its addresses stands. */
const leadsNowhere = (
  { truth: { served }, failures }: Before,
  { verdict, error }: { readonly verdict: Verdict; readonly error: string },
  { at, asked, overtaken }: Occasion,
): Observation => {
  const confirmed = asked || (!overtaken && failures > 0);
  const news = failures === 0 || (confirmed && served.fault !== verdict);
  return {
    served: confirmed ? { ...served, fault: verdict, faultError: error, checkedAt: at } : served,
    seen: [],
    rows: [],
    touched: [],
    dropped: [],
    facts: news ? [{ address: '', certificateRef: null, notAfter: null, verdict, error, depth: 'full' }] : [],
    failures: failures + 1,
    unconfirmed: !confirmed,
  };
};

interface Findings {
  readonly met: readonly Met[];
  readonly faults: readonly Met[];
  /** Those of the faults that count. */
  readonly confirmed: readonly Met[];
}

/** What the looks come to; null when they prove neither a certificate nor a fault, so that the last finding stands. */
const concluded = (truth: Truth, { met, faults, confirmed }: Findings, at: number): Served | null => {
  const seen = endsFirst(met.flatMap(seenAt));
  if (seen === undefined && confirmed.length === 0) return null;
  const { served } = truth;
  // A fault that has to be looked at again keeps an earlier one that still counts, so that it does not come and go.
  const isOpen = confirmed.length < faults.length && standingFault(truth) !== null;
  const fault =
    confirmed.length === 0 && isOpen ? { fault: served.fault, faultError: served.faultError } : faultOf(confirmed);
  return {
    certificateRef: seen?.ref ?? served.certificateRef,
    notBefore: seen?.notBefore ?? served.notBefore,
    notAfter: seen?.notAfter ?? served.notAfter,
    ...fault,
    checkedAt: at,
    ...(served.filled !== undefined && { filled: served.filled }),
  };
};

/**
 * What a look at all addresses of a domain changes. A verdict on a certificate counts at once; any other fault only when the
 * look before met one there too, or an operator asked. Events' own truth is read, never changed.
 */
export const observe = (before: Before, { looks, fault }: ProbeResult, occasion: Occasion): Observation => {
  if (fault !== null) return leadsNowhere(before, fault, occasion);
  const known = new Map(before.addresses.map((row) => [row.address, row]));
  const met = looks.map((look): Met => {
    const row = known.get(look.address);
    return { look, before: row, row: rowAfter(row, look) };
  });
  const faults = met.filter(({ look }) => isFault(look));
  const nowhere = isNowhere(before, met);
  const confirmed = faults.filter((one) => isConfirmed(one, occasion, nowhere));
  const looked = new Set(looks.map(({ address }) => address));
  // Addresses that were well at the last look, of a domain that was not: the name had led nowhere.
  const isBack = before.failures > 0 && before.addresses.every(({ verdict }) => verdict === 'ok');
  return {
    served: concluded(before.truth, { met, faults, confirmed }, occasion.at) ?? before.truth.served,
    seen: met.flatMap(seenAt),
    rows: met.filter((one) => !isUnchanged(one)).map(({ row }) => row),
    touched: met.filter(isUnchanged).map(({ row }) => row),
    dropped: [...known.keys()].filter((address) => !looked.has(address)),
    facts: met.filter((one) => isBack || isNews(one)).map(factOf),
    failures: faults.length === 0 ? 0 : before.failures + 1,
    unconfirmed: confirmed.length < faults.length,
  };
};
