import { createSecretKey, type KeyObject } from 'node:crypto';
import type { Context } from 'hono';
import { AppError } from '../errors.ts';
import { matchesDomain } from '../lifecycle/domain-name.ts';
import { checkTimestamp, verifySignature } from '../lifecycle/signature.ts';
import { subjectOf, type SourceKeys } from '../source-keys.ts';
import type { HttpEnv } from './env.ts';
import { headerOf } from './header.ts';

/** A sender whose signature was verified. */
export interface Provenance {
  readonly subject: string;
  readonly source: string;
  readonly mayReport: (domain: string) => boolean;
}

export interface Identity {
  readonly source: string | undefined;
  readonly cluster: string | undefined;
}

/** A sender that the configuration knows, with its keys. */
export interface Signer extends Provenance {
  readonly keys: readonly KeyObject[];
}

const named = (value: string | undefined): string | undefined => {
  const name = value?.trim().toLowerCase();
  return name === '' ? undefined : name;
};

/** Who the headers say has signed. */
export const headerIdentity = (c: Context<HttpEnv>): Identity => ({
  source: named(headerOf(c, 'x-cert-source')),
  cluster: named(headerOf(c, 'x-cert-cluster')),
});

/** The signers that the configuration knows, with their keys ready for use. */
export const signersOf = (keys: SourceKeys): ReadonlyMap<string, Signer> =>
  new Map(
    [...keys].map(([subject, { source, secrets, domains }]) => [
      subject,
      {
        subject,
        source,
        keys: secrets.map((secret) => createSecretKey(secret, 'utf8')),
        mayReport: (domain) => domains === null || domains.some((pattern) => matchesDomain(pattern, domain)),
      },
    ]),
  );

export interface SignedRequest {
  readonly identity: Identity;
  readonly timestamp: string | undefined;
  readonly signature: string | undefined;
  readonly body: Uint8Array;
  readonly now: number;
  readonly maxAgeSeconds: number;
}

/**
 * Verifies who sent these bytes (contract 1). Every failure is 401 and leaves by the same way.
 *
 * @param onBadSignature told about a known signer whose signature does not fit
 */
export const verifyProvenance = (
  signers: ReadonlyMap<string, Signer>,
  request: SignedRequest,
  onBadSignature: (subject: string) => void,
): Provenance => {
  const { identity, timestamp = '', signature = '', body, now, maxAgeSeconds } = request;
  const signer = signers.get(subjectOf(identity.source ?? '', identity.cluster ?? ''));
  // A colon in the source would make another signer's subject of it.
  if (signer === undefined || signer.source !== identity.source)
    throw new AppError('unauthorized', 'Unknown certificate source/cluster identity');
  const freshness = checkTimestamp(timestamp, now, maxAgeSeconds);
  if (freshness === 'invalid') throw new AppError('unauthorized', 'Invalid certificate timestamp');
  if (freshness === 'expired') throw new AppError('unauthorized', 'Certificate signature timestamp expired');
  if (!verifySignature(signer.keys, timestamp, body, signature)) {
    onBadSignature(signer.subject);
    throw new AppError('unauthorized', 'Invalid certificate signature');
  }
  return signer;
};
