import { createHmac } from 'node:crypto';
import { signEvent } from '../lifecycle/signature.ts';

const prefix = 'whsec_';
const keyOf = (secret: string): Buffer =>
  secret.startsWith(prefix) ? Buffer.from(secret.slice(prefix.length), 'base64') : Buffer.from(secret, 'utf8');

/**
 * Headers of Standard Webhooks: a signature over `id.timestamp.body` for each secret, so that a receiver may hold the old or
 * the new one while they change. Without a secret, id and time alone.
 *
 * @param id the same in every try. @param seconds unix time.
 */
export const standardHeaders = (
  id: string,
  seconds: number,
  body: string,
  secrets: readonly string[],
): Record<string, string> => {
  const signatures = secrets.map(
    (secret) => `v1,${createHmac('sha256', keyOf(secret)).update(`${id}.${seconds}.${body}`).digest('base64')}`,
  );
  return {
    'webhook-id': id,
    'webhook-timestamp': String(seconds),
    ...(signatures.length > 0 && { 'webhook-signature': signatures.join(' ') }),
  };
};

/** Headers that runbook receivers know (contract 6): hex HMAC over `timestamp.body`; the secret is taken as UTF-8 as it stands. */
export const runbookHeaders = (seconds: number, body: string, secret: string | undefined): Record<string, string> => ({
  'x-fdt-timestamp': String(seconds),
  ...(secret !== undefined && { 'x-fdt-signature': signEvent(secret, String(seconds), Buffer.from(body, 'utf8')) }),
});
