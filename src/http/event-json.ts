import { isUtf8 } from 'node:buffer';
import { AppError } from '../errors.ts';
import { assertStorable, guardJson } from '../lifecycle/json-guard.ts';
import type { Identity } from './provenance.ts';

/**
 * What an event's body says: strict UTF-8, JSON of bounded depth, and nothing that PostgreSQL cannot keep.
 *
 * @throws AppError `bad_request`
 */
export const decodeJson = (body: Buffer): unknown => {
  if (!isUtf8(body)) throw new AppError('bad_request', 'The body is not valid UTF-8');
  const text = body.toString('utf8');
  guardJson(text);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new AppError('bad_request', 'The body is not valid JSON');
  }
  assertStorable(json, text);
  return json;
};

/** Who the body says has sent it, for requests whose headers do not; nobody where the body cannot be read. */
export const claimedIdentity = (body: Buffer): Identity => {
  try {
    const json = decodeJson(body);
    const field = (name: string): string | undefined => {
      const value =
        typeof json === 'object' && json !== null ? Object.entries(json).find(([key]) => key === name)?.[1] : undefined;
      return typeof value === 'string' ? value.trim().toLowerCase() : undefined;
    };
    return { source: field('source') ?? 'cert_manager', cluster: field('clusterId') };
  } catch (error) {
    if (error instanceof AppError) return { source: undefined, cluster: undefined };
    throw error;
  }
};
