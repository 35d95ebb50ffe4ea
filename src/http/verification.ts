import type { DomainRow } from '../db/domain-row.ts';
import { AppError } from '../errors.ts';
import { verificationName } from '../lifecycle/domain-input.ts';

/** Answers of the DNS that say "there is no such record", as node:dns names them. */
const absent = new Set(['ENOTFOUND', 'ENODATA', 'ENONAME', 'EBADNAME']);

const lookUp = async (resolveTxt: (name: string) => Promise<string[][]>, name: string): Promise<string[]> => {
  try {
    // A record longer than 255 bytes comes in pieces (RFC 7208, section 3.3).
    return (await resolveTxt(name)).map((pieces) => pieces.join('').trim());
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (typeof code === 'string' && absent.has(code)) return [];
    throw new AppError('unavailable', `The TXT records of ${name} cannot be looked up; try again`, {
      retryAfterSeconds: 5,
      cause: error,
    });
  }
};

/**
 * Checks that whoever asks controls the domain's DNS: its verification token stands in a TXT record.
 *
 * @throws AppError `conflict` that says where the record is missing, `unavailable` when the DNS does not answer.
 */
export const assertControl = async (
  resolveTxt: (name: string) => Promise<string[][]>,
  { domain, verification_token }: Pick<DomainRow, 'domain' | 'verification_token'>,
): Promise<void> => {
  const name = verificationName(domain);
  const records = await lookUp(resolveTxt, name);
  if (records.includes(verification_token)) return;
  const seen = records.length === 0 ? 'there is no TXT record' : `${records.length} TXT record(s) hold other text`;
  throw new AppError(
    'conflict',
    `The domain is not verified: at ${name} ${seen}; set one that holds the domain's verification_token`,
  );
};
