/**
 * What a look at a served certificate can find. `ok`: it may be trusted for this name now. The next four speak of the
 * certificate; all others mean that none could be had.
 */
export const verdicts = [
  'ok',
  'untrusted',
  'wrong_host',
  'expired',
  'not_yet_valid',
  'dns_failed',
  'dns_timeout',
  'address_refused',
  'connection_refused',
  'unreachable',
  'connect_timeout',
  'handshake_timeout',
  'closed',
  'tls_alert',
  'not_tls',
  'starttls_failed',
  'oversized',
] as const;
export type Verdict = (typeof verdicts)[number];

const conclusive: ReadonlySet<Verdict> = new Set<Verdict>(['untrusted', 'wrong_host', 'expired', 'not_yet_valid']);

/** True where one look is proof; all other faults may be a hiccup of the network and need a second look. */
export const isConclusive = (verdict: Verdict): boolean => conclusive.has(verdict);

export const starttlsProtocols = ['smtp', 'imap', 'postgres'] as const;
export type StarttlsProtocol = (typeof starttlsProtocols)[number];

/** `fetch` reads the certificate a server presents; only a `full` handshake proves that it holds the key and can be trusted. */
export const probeDepths = ['fetch', 'full'] as const;
export type ProbeDepth = (typeof probeDepths)[number];

/** How a domain is looked at: `auto` fetches certificates and makes full handshakes where needed, `full` makes full ones only,
 * `off` looks only when asked. */
export const probeModes = ['auto', 'full', 'off'] as const;
export type ProbeMode = (typeof probeModes)[number];

/** A served leaf and what stands behind it. Times are epoch milliseconds. */
export interface ServedCertificate {
  /** `sha256:` and 64 upper-case hex digits over the leaf's DER, as events have it. */
  readonly ref: string;
  readonly serial: string;
  readonly subject: string;
  readonly issuer: string;
  /** DNS names, at most a hundred. */
  readonly names: readonly string[];
  readonly notBefore: number;
  readonly notAfter: number;
  /** Earliest end among the certificates presented. */
  readonly chainNotAfter: number;
  readonly chainLength: number;
  /** Identity for ARI (RFC 9773, section 4.1); null where the leaf names no authority key. */
  readonly ariId: string | null;
  readonly tlsVersion: string | null;
  /** State in the stapled OCSP response; null without one. */
  readonly ocsp: 'good' | 'revoked' | 'unknown' | null;
}

/** What one address of a name served. */
export interface Look {
  /** `192.0.2.1:443` or `[2001:db8::1]:443`. */
  readonly address: string;
  readonly verdict: Verdict;
  /** What is wrong, in a sentence for an operator; null when nothing is. */
  readonly error: string | null;
  readonly depth: ProbeDepth;
  /** Leaf that was presented, also with a bad verdict; null when there was none. */
  readonly certificateRef: string | null;
  /** Details of the leaf; null when there was none, or when it is the one known from the last full handshake. */
  readonly certificate: ServedCertificate | null;
  /** Epoch ms. */
  readonly checkedAt: number;
  readonly durationMs: number;
}

/** What is known of an address from its last full handshake. */
export interface KnownServed {
  readonly certificateRef: string;
  /** Verdict of that handshake; a fetch carries it on while the certificate is the same and time does not change it. */
  readonly verdict: Verdict;
  readonly error: string | null;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly chainNotAfter: number;
  readonly fullyCheckedAt: number;
}

export interface ProbeTarget {
  /** Registered name; a `*.` name is looked at under a label that no one uses. */
  readonly domain: string;
  /** `address[:port]` each, or null for DNS and port 443. */
  readonly probeAddress: readonly string[] | null;
  readonly starttls: StarttlsProtocol | null;
  /** `full` asks for a full handshake whatever is known. */
  readonly depth: ProbeDepth;
  /** By address as {@link Look} writes it. */
  readonly known: ReadonlyMap<string, KnownServed>;
}

/** Every address of a name; `fault` is set, and `looks` empty, when the name led to none. */
export interface ProbeResult {
  readonly looks: readonly Look[];
  readonly fault: { readonly verdict: Verdict; readonly error: string } | null;
}
