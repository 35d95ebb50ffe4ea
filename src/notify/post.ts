import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { Client } from 'undici';
import { type Delivery, parseRetryAfter } from '../lifecycle/delivery.ts';
import type { PostRequest, Tools } from './channel.ts';
import { DialError, faultOf } from './dial.ts';
import { decoded, secretsOfUrl, snippetOf } from './redact.ts';
import { secure } from './secure.ts';

const maxAnswerBytes = 4096;
const answerMs = 1000;

/**
 * Makes the poster. Each request has a connection of its own to a vetted address, with the name in SNI and Host: nothing is
 * kept alive that could be stale, and no redirect or proxy is followed. Of the answer at most 4 KiB are read.
 */
export const createPost =
  ({ dial, now, deadlineMs, trustedCas }: Omit<Tools, 'post'>) =>
  async (request: PostRequest): Promise<Delivery> => {
    const signal = AbortSignal.timeout(deadlineMs);
    const url = new URL(request.url);
    const account = authorizationOf(url);
    const secrets = [...request.secrets, ...secretsOfUrl(url), ...Object.values(account)];
    let socket: Socket | undefined;
    let client: Client | undefined;
    try {
      socket = await dial({ host: url.hostname, port: Number(url.port) || (isTls(url) ? 443 : 80) }, signal);
      const ready = isTls(url) ? await secure(socket, url.hostname, trustedCas, signal) : socket;
      // Called back at once, the client would connect for ever.
      client = new Client(url.origin, { connect: (_, done) => void setImmediate(done, null, ready) });
      const { statusCode, headers, body } = await client.request({
        method: 'POST',
        path: `${url.pathname}${url.search}`,
        headers: { 'user-agent': 'notafter', ...account, ...request.headers },
        body: request.body,
        signal,
        reset: true,
      });
      const retryAfter = headers['retry-after'];
      return judge(
        statusCode,
        snippetOf(await beginningOf(body), secrets),
        parseRetryAfter(typeof retryAfter === 'string' ? retryAfter : null, now()),
      );
    } catch (error) {
      return failureOf(error, signal.aborted, deadlineMs);
    } finally {
      await client?.destroy();
      socket?.destroy();
    }
  };

const isTls = (url: URL): boolean => url.protocol === 'https:';

const authorizationOf = ({ username, password }: URL): Record<string, string> => {
  if (username === '' && password === '') return {};
  const account = `${decoded(username)}:${decoded(password)}`;
  return { authorization: `Basic ${Buffer.from(account).toString('base64')}` };
};

/** Reads until enough is there, the answer ends, or it dawdles: the status is known, what follows is only for people. */
const beginningOf = async (body: Readable): Promise<string> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const timer = setTimeout(() => body.destroy(), answerMs);
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      chunks.push(chunk);
      size += chunk.byteLength;
      if (size >= maxAnswerBytes) break;
    }
  } catch {
    size = Math.min(size, maxAnswerBytes); // cut off: what has come is good enough
  } finally {
    clearTimeout(timer);
  }
  return Buffer.concat(chunks).subarray(0, Math.min(size, maxAnswerBytes)).toString('utf8');
};

const judge = (status: number, snippet: string | null, retryAfterMs: number | null): Delivery => {
  if (status >= 200 && status < 300) return { kind: 'sent', status, snippet };
  const error = `the receiver answered ${status}${status >= 300 && status < 400 ? '; redirects are not followed' : ''}`;
  const final = status >= 400 && status < 500 && status !== 408 && status !== 429;
  return final ? { kind: 'refused', status, snippet, error } : { kind: 'retry', status, snippet, error, retryAfterMs };
};

const failureOf = (error: unknown, late: boolean, deadlineMs: number): Delivery => {
  if (error instanceof DialError && error.forbidden)
    return { kind: 'refused', status: null, snippet: null, error: `the receiver cannot be reached: ${error.message}` };
  const what = late
    ? `the receiver did not answer within ${deadlineMs / 1000} s`
    : error instanceof DialError
      ? `the receiver cannot be reached: ${error.message}`
      : `the receiver cannot be reached${faultOf(error)}`;
  return { kind: 'retry', status: null, snippet: null, error: what, retryAfterMs: null };
};
