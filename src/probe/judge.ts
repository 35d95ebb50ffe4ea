import type { KnownServed, ServedCertificate, Verdict } from '../lifecycle/served.ts';

/** Age of a full handshake after which a fetch no longer stands in for one. */
const fullEveryMs = 7 * 24 * 3_600_000;

export interface Judgement {
  readonly verdict: Verdict;
  /** Everything that is wrong, the gravest first; null when nothing is. */
  readonly error: string | null;
}

export interface Evidence {
  readonly certificate: Pick<ServedCertificate, 'notBefore' | 'notAfter' | 'chainLength'>;
  /** OpenSSL's word on the chain; null when it is trusted. */
  readonly code: string | null;
  /** Issuer named by the last certificate presented. */
  readonly lastIssuer: string;
  readonly matchesName: boolean;
  readonly name: string;
}

const day = (ms: number): string =>
  Number.isFinite(ms) ? new Date(ms).toISOString().slice(0, 16).replace('T', ' ') : '?';

const ended = (notAfter: number): string => `the certificate expired at ${day(notAfter)} UTC`;

const noIssuer = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
]);

const untrusted = (code: string, { certificate, lastIssuer }: Evidence): string => {
  if (code === 'DEPTH_ZERO_SELF_SIGNED_CERT') return 'the certificate is self-signed';
  if (code === 'SELF_SIGNED_CERT_IN_CHAIN') return `the chain ends in a root that is not trusted: ${lastIssuer}`;
  if (!noIssuer.has(code)) return `the chain is not trusted (${code})`;
  return certificate.chainLength === 1
    ? `the server sends no intermediate certificate, and the issuer is not a trusted root: ${lastIssuer}`
    : `an intermediate certificate is missing, or the root is not trusted: ${lastIssuer}`;
};

/** What is wrong by time; a code of OpenSSL's about time that does not fit the leaf speaks of a certificate above it. */
const byTime = ({ certificate, code }: Evidence, now: number): Judgement[] => {
  const { notBefore, notAfter } = certificate;
  const found: Judgement[] = [];
  if (!(now <= notAfter)) found.push({ verdict: 'expired', error: ended(notAfter) });
  else if (code === 'CERT_HAS_EXPIRED')
    found.push({ verdict: 'expired', error: 'a certificate of the chain above the leaf has expired' });
  if (now < notBefore)
    found.push({ verdict: 'not_yet_valid', error: `the certificate is not valid before ${day(notBefore)} UTC` });
  else if (code === 'CERT_NOT_YET_VALID')
    found.push({ verdict: 'not_yet_valid', error: 'a certificate of the chain above the leaf is not valid yet' });
  return found;
};

/**
 * The verdict on a certificate whose key was proven. Of several faults the verdict names the one that stays when the others are mended
 * by a new certificate last: expired, not yet valid, untrusted, wrong host; the error names them all.
 */
export const judge = (evidence: Evidence, now: number): Judgement => {
  const { code, matchesName, name } = evidence;
  const faults = byTime(evidence, now);
  if (code !== null && code !== 'CERT_HAS_EXPIRED' && code !== 'CERT_NOT_YET_VALID')
    faults.push({ verdict: 'untrusted', error: untrusted(code, evidence) });
  if (!matchesName) faults.push({ verdict: 'wrong_host', error: `the certificate is not for ${name}` });
  const [first] = faults;
  if (first === undefined) return { verdict: 'ok', error: null };
  return { verdict: first.verdict, error: faults.map(({ error }) => error).join('; ') };
};

/** Verdicts that hold as long as the leaf is the same, but for time. */
const lasting: ReadonlySet<Verdict> = new Set<Verdict>(['ok', 'wrong_host', 'expired']);

/**
 * The verdict of the last full handshake, carried on because the same leaf was fetched; null when only a full handshake can tell: the
 * last one is a week old, its finding could be mended without a new leaf, or a certificate above the leaf has ended since.
 */
export const carryOn = (known: KnownServed, now: number): Judgement | null => {
  if (now - known.fullyCheckedAt >= fullEveryMs || !lasting.has(known.verdict)) return null;
  if (known.verdict === 'expired' && now > known.notAfter) return { verdict: 'expired', error: known.error };
  if (now > known.notAfter) return { verdict: 'expired', error: ended(known.notAfter) };
  if (known.verdict === 'expired') return null;
  const chainEnded = known.chainNotAfter < now && known.chainNotAfter >= known.fullyCheckedAt;
  return chainEnded ? null : { verdict: known.verdict, error: known.error };
};
