import type { Context } from 'hono';
import { AppError } from '../errors.ts';
import { readBody } from './body.ts';
import type { HttpEnv } from './env.ts';
import { headerOf } from './header.ts';

const largest = 64 * 1024;

/**
 * The fields that a page's form sent (application/x-www-form-urlencoded, at most 64 KiB); none where there is no body.
 *
 * @throws AppError `unsupported_media_type`, `payload_too_large`
 */
export const readForm = async (c: Context<HttpEnv>): Promise<URLSearchParams> => {
  const bytes = await readBody(c, largest);
  if (bytes.length === 0) return new URLSearchParams();
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(headerOf(c, 'content-type') ?? ''))
    throw new AppError('unsupported_media_type', 'Send the form as application/x-www-form-urlencoded');
  return new URLSearchParams(bytes.toString('utf8'));
};
