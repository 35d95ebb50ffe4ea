import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { eventTypes } from '../../src/lifecycle/types.ts';

const ingestToken = 'ingest-token-of-the-test';
const adminToken = 'admin-token-of-the-test';

/** The environment that lets a driver in. */
export const credentials = {
  CERT_EVENT_INGEST_TOKEN: ingestToken,
  CERT_ADMIN_TOKENS: `driver:admin:${adminToken}`,
} as const;

export type EventBody = Readonly<Record<string, unknown>> & {
  readonly sourceEventId: string;
  readonly domain: string;
};

/** The body of an event with an identity of its own. */
export const eventBody = (
  domain: string,
  eventType: string,
  rest: Readonly<Record<string, unknown>> = {},
): EventBody => ({
  sourceEventId: randomUUID(),
  source: 'certbot',
  clusterId: 'eu',
  domain,
  eventType,
  ...rest,
});

/** Numbers in [0, 1) that are the same for the same seed. */
export const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

/** Events of every type over the domains, out of order, with and without their optional fields. */
export const mixedEvents = (domains: readonly string[], seed: number): (() => EventBody) => {
  const random = seeded(seed);
  const pick = <T>(items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)];
  const newest = Date.now();
  const day = 86_400_000;
  return () => {
    const eventType = pick(eventTypes) ?? 'renewal_failed';
    const occurredAt = newest - Math.floor(random() * 3_600_000);
    const maybe = (fields: Record<string, unknown>): Record<string, unknown> => (random() < 0.5 ? fields : {});
    return eventBody(pick(domains) ?? 'none.example', eventType, {
      occurredAt,
      ...maybe({ reason: `reason ${Math.floor(random() * 100)}` }),
      ...maybe({ certificateRef: `ref ${Math.floor(random() * 100)}` }),
      ...maybe({ notBefore: newest - day, notAfter: newest + (random() < 0.5 ? 90 : 3) * day }),
      ...(eventType.endsWith('_failed') ? maybe({ callbackAttempt: 1 + Math.floor(random() * 6) }) : {}),
    });
  };
};

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

const request = async (url: string, init: RequestInit): Promise<Answer> => {
  const response = await fetch(url, init);
  const text = await response.text();
  // Every answer of the product is a JSON object.
  const body = (text === '' ? {} : JSON.parse(text)) as Readonly<Record<string, unknown>>;
  return { status: response.status, headers: response.headers, body };
};

/** Sends one event and gives the answer, whatever it is; a sender's patience is 20 s. */
export const send = (
  url: string,
  body: EventBody,
  signal: AbortSignal = AbortSignal.timeout(20_000),
): Promise<Answer> =>
  request(`${url}/v1/domains/cert-events`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-cert-event-token': ingestToken },
    body: JSON.stringify(body),
    signal,
  });

/** Calls the admin API as an administrator. */
export const admin = (url: string, method: string, path: string, body?: unknown): Promise<Answer> =>
  request(`${url}/v1/admin${path}`, {
    method,
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(20_000),
  });

/** Registers a verified, routed domain that ends TLS. */
export const register = async (
  url: string,
  domain: string,
  settings: Record<string, unknown> = {},
): Promise<string> => {
  const answer = await admin(url, 'PUT', `/domains/${domain}`, {
    verified: true,
    tlsMode: 'termination',
    region: 'eu',
    ...settings,
  });
  if (answer.status !== 201)
    throw new Error(`registering a domain was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return domain;
};

/** Registers `count` domains below `suffix`, in one import. */
export const registerMany = async (url: string, count: number, suffix: string): Promise<string[]> => {
  const names = Array.from({ length: count }, (_, index) => `d${index}.${suffix}`);
  const lines = names.map((domain) => JSON.stringify({ domain, verified: true, tlsMode: 'termination', region: 'eu' }));
  const response = await fetch(`${url}/v1/admin/domains/import`, {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/x-ndjson' },
    body: lines.join('\n'),
  });
  const text = await response.text();
  if (!response.ok || !text.includes(`"imported":${count}`))
    throw new Error(`the import was answered ${response.status}: ${text}`);
  return names;
};

export interface Sample {
  /** When the answer or the failure came (`performance.now()`), and how long it took. */
  readonly at: number;
  readonly ms: number;
  /** The status, or 0 where there was no answer. */
  readonly status: number;
  readonly retryAfter: string | null;
}

export interface Load {
  /** Every accepted event: its identity and the id it was given. */
  readonly acked: ReadonlyMap<string, string>;
  readonly samples: readonly Sample[];
  /** Events that were answered with two different ids: a broken promise. */
  readonly split: readonly string[];
  /** Lets every sender finish what it has in hand. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly urls: () => readonly string[];
  readonly next: () => EventBody;
  readonly senders?: number;
  /** Pause of a sender between two events. */
  readonly pauseMs?: number;
}

/**
 * Honest senders: each takes an event, sends it until somebody answers 202, remembers that, and goes on. A stop ends the
 * tries of events that nobody accepted.
 */
export const startLoad = ({ urls, next, senders = 8, pauseMs = 10 }: LoadOptions): Load => {
  const acked = new Map<string, string>();
  const samples: Sample[] = [];
  const split: string[] = [];
  const stopping = new AbortController();

  const attempt = async (body: EventBody, round: number): Promise<boolean> => {
    const started = performance.now();
    const all = urls();
    const answer = await send(all[round % all.length] ?? '', body).catch(() => null);
    const at = performance.now();
    samples.push({
      at,
      ms: at - started,
      status: answer?.status ?? 0,
      retryAfter: answer?.headers.get('retry-after') ?? null,
    });
    if (answer?.status !== 202) return false;
    const id = String(answer.body['eventId']);
    if ((acked.get(body.sourceEventId) ?? id) !== id) split.push(body.sourceEventId);
    acked.set(body.sourceEventId, id);
    return true;
  };
  const sender = async (): Promise<void> => {
    for (let round = 0; !stopping.signal.aborted; round += 1) {
      const body = next();
      while (!(await attempt(body, round)) && !stopping.signal.aborted) {
        round += 1;
        await sleep(50);
      }
      await sleep(pauseMs);
    }
  };
  const running = Array.from({ length: senders }, sender);
  return {
    acked,
    samples,
    split,
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
};

/** The value below which `share` of the numbers lie. */
export const quantile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
};
