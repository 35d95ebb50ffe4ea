import { hash, X509Certificate } from 'node:crypto';
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { keepNewest } from './bounded-map.ts';

const maxLeaves = 20_000;
/** Verdicts of OpenSSL that change with time; they are never kept. */
const timely: ReadonlySet<string> = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

interface Remembered {
  readonly chain: string;
  readonly code: string | null;
  /** Epoch ms up to which time changes nothing. */
  readonly until: number;
}

/** OpenSSL's word on chains, taken once per chain: the roots are the same for the life of the process. */
export interface Trust {
  /** Context that verifies a chain against every root. */
  readonly judging: () => SecureContext;
  /** Context without roots: a handshake under it spends nothing on trust, which is known already. */
  readonly bare: () => SecureContext;
  /** Whether a chain of this leaf was judged and time has not changed that. */
  readonly knows: (leafRef: string, now: number) => boolean;
  /** Code of the kept verdict, null for a trusted chain; undefined when this very chain was not judged. */
  readonly recall: (leafRef: string, chain: readonly Buffer[], now: number) => string | null | undefined;
  /** Keeps a verdict until the first certificate of the chain ends. */
  readonly learn: (leafRef: string, chain: readonly Buffer[], code: string | null, until: number) => void;
}

const chainKey = (chain: readonly Buffer[]): string => hash('sha256', Buffer.concat(chain), 'base64');

/** The certificates of a PEM file; each is read, so that a broken file is told at start and not at the first probe. */
const readPem = (pem: string): string[] => {
  const blocks =
    pem.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]+-----END (?:TRUSTED )?CERTIFICATE-----/g) ?? [];
  try {
    const certificates = blocks.map((block) => new X509Certificate(block).toString());
    if (certificates.length > 0) return certificates;
  } catch (error) {
    throw new Error('the file of trusted CAs holds a certificate that cannot be read', { cause: error });
  }
  throw new Error('the file of trusted CAs holds no certificate in PEM form');
};

const once = <T>(make: () => T): (() => T) => {
  let made: T | undefined;
  return () => (made ??= make());
};

/**
 * Trust in Mozilla's roots as Node ships them, the system's, and those of a PEM file.
 *
 * @throws Error when the PEM holds no certificate, or one that cannot be read.
 */
export const createTrust = (trustedCaPem: string | null): Trust => {
  const own = trustedCaPem === null ? [] : readPem(trustedCaPem);
  const remembered = new Map<string, Remembered>();
  const lookUp = (leafRef: string, now: number): Remembered | undefined => {
    const found = remembered.get(leafRef);
    return found !== undefined && now <= found.until ? found : undefined;
  };
  return {
    judging: once(() =>
      createSecureContext({
        ca: [...new Set([...getCACertificates('default'), ...getCACertificates('system'), ...own])],
      }),
    ),
    bare: once(() => createSecureContext({ ca: [] })),
    knows: (leafRef, now) => lookUp(leafRef, now) !== undefined,
    recall: (leafRef, chain, now) => {
      const found = lookUp(leafRef, now);
      return found !== undefined && found.chain === chainKey(chain) ? found.code : undefined;
    },
    learn: (leafRef, chain, code, until) => {
      if (code !== null && timely.has(code)) return;
      keepNewest(remembered, leafRef, { chain: chainKey(chain), code, until }, maxLeaves);
    },
  };
};
