import { parseObject } from './json.ts';
import { signHeaders } from './sign.ts';

const ingestPath = '/v1/domains/cert-events';
const maxAnswerBytes = 64 * 1024;
const maxMessageLength = 300;

/** Where events go and who reports them. Without a `secret` the request is not signed. */
export interface Target {
  /** Base address of the server, http or https, with or without the ingest path. */
  readonly url: string;
  readonly token: string;
  readonly source: string;
  readonly cluster: string | undefined;
  readonly secret: string | undefined;
}

/** A target with the means to reach it. `timeoutMs` covers one request with its whole answer. */
export interface Sender {
  readonly target: Target;
  readonly fetch: typeof globalThis.fetch;
  /** Epoch milliseconds. */
  readonly now: () => number;
  readonly timeoutMs: number;
}

/**
 * What became of one sending. `rejected`: this event can never pass. `refused`: the settings of either side are wrong, the same
 * event passes once they are mended. `unavailable`: worth another try as it is.
 */
export type SendResult =
  | { readonly kind: 'accepted'; readonly eventId: string; readonly duplicate: boolean }
  | { readonly kind: 'rejected'; readonly status: number; readonly message: string }
  | { readonly kind: 'refused'; readonly message: string }
  | {
      readonly kind: 'unavailable';
      readonly answered: boolean;
      readonly message: string;
      readonly retryAfterMs?: number;
    };

// Statuses that speak of the event itself; every other 4xx speaks of tokens, keys, clocks or the address.
const finalStatuses: ReadonlySet<number> = new Set([400, 403, 409, 413, 415, 422]);
const passingStatuses: ReadonlySet<number> = new Set([408, 425, 429]);

/** Signs one event body with the present time, posts it and reads the answer (wire contract, section 1). Never throws. */
export const sendEvent = async (sender: Sender, body: string): Promise<SendResult> => {
  try {
    const response = await sender.fetch(ingestUrl(sender.target.url), {
      method: 'POST',
      headers: headersFor(sender, body),
      body,
      redirect: 'manual',
      signal: AbortSignal.timeout(sender.timeoutMs),
    });
    return judge(response, await readAnswer(response), sender.now());
  } catch (error) {
    return { kind: 'unavailable', answered: false, message: networkMessage(error) };
  }
};

const ingestUrl = (base: string): string => {
  const trimmed = base.replace(/\/+$/, '');
  return trimmed.endsWith(ingestPath) ? trimmed : trimmed + ingestPath;
};

const headersFor = ({ target, now }: Sender, body: string): Record<string, string> => {
  const { token, source, cluster, secret } = target;
  const headers = { 'content-type': 'application/json', 'x-cert-event-token': token };
  if (secret === undefined || cluster === undefined) return headers;
  return { ...headers, ...signHeaders({ source, cluster, secret, body, timestamp: Math.floor(now() / 1000) }) };
};

const judge = (response: Response, answer: Record<string, unknown>, now: number): SendResult => {
  const { status } = response;
  if (status === 202 && typeof answer['eventId'] === 'string') {
    return { kind: 'accepted', eventId: answer['eventId'], duplicate: answer['duplicate'] === true };
  }
  const message = describeAnswer(status, answer);
  if (finalStatuses.has(status)) return { kind: 'rejected', status, message };
  if (status < 500 && !passingStatuses.has(status)) return { kind: 'refused', message };
  const retryAfterMs = parseRetryAfter(response.headers.get('retry-after'), now);
  return { kind: 'unavailable', answered: true, message, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
};

const describeAnswer = (status: number, answer: Record<string, unknown>): string => {
  const said = answer['message'] ?? answer['detail'] ?? answer['title'];
  const text =
    typeof said === 'string'
      ? said.replace(/\p{Cc}+/gu, ' ').slice(0, maxMessageLength)
      : 'not an answer of a notafter server';
  return `HTTP ${status}: ${text}`;
};

const readAnswer = async (response: Response): Promise<Record<string, unknown>> => {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxAnswerBytes) return {};
    chunks.push(chunk);
  }
  return parseObject(Buffer.concat(chunks).toString('utf8'));
};

/** Seconds or an HTTP date (RFC 9110, section 10.2.3) as milliseconds from now; undefined when absent or unreadable. */
const parseRetryAfter = (value: string | null, now: number): number | undefined => {
  if (value === null) return undefined;
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
};

const networkMessage = (error: unknown): string => {
  if (!(error instanceof Error)) return 'the server cannot be reached';
  if (error.name === 'TimeoutError') return 'the server did not answer in time';
  const { cause } = error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return `the server cannot be reached${code === '' ? '' : ` (${code})`}`;
};
