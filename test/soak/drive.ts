import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { signEvent, signingKey } from '../../src/lifecycle/signature.ts';
import { credentials, seeded } from '../support/driver.ts';
import { source, type Stage } from './stage.ts';

const tickMs = 10;
const day = 86_400_000;
const key = signingKey(source.secret);

/** What was answered since the last time it was asked. */
export interface Answered {
  /** Milliseconds from when a request was due to its answer. */
  readonly times: readonly number[];
}

export interface Drive {
  /** Events that were accepted, repeats not counted. */
  accepted(): number;
  /** Answers other than 202, and none at all (0), by status. */
  refused(): ReadonlyMap<number, number>;
  /** Repeats of old events, and how many of those were not answered as such. */
  repeats(): { readonly sent: number; readonly unknown: number };
  take(): Answered;
  stop(): Promise<void>;
}

interface Sent {
  readonly body: string;
  readonly eventId: string;
  readonly at: number;
}

/** Events as a fleet sends them: mostly renewals that say all, some that say less, some failures, some that come late. */
const bodies = (domains: readonly string[], seed: number) => {
  const random = seeded(seed);
  let count = 0;
  return (now: number): string => {
    count += 1;
    const failed = random() < 0.02;
    const success = {
      eventType: 'renewal_succeeded',
      certificateRef: `sha256:${count.toString(16).padStart(64, '0').toUpperCase()}`,
      notBefore: now - 1000,
      notAfter: now + 90 * day + count,
      ...(random() < 0.8 && { renewalDueAt: now + 60 * day }),
    };
    const failure = {
      eventType: 'renewal_failed',
      reason: `the CA said no, ${count % 20}`,
      callbackAttempt: 1 + (count % 3),
    };
    return JSON.stringify({
      source: source.name,
      clusterId: source.cluster,
      sourceEventId: `soak-${seed}-${count}`,
      domain: domains[Math.floor(random() * domains.length)],
      ...(random() < 0.8 && { occurredAt: now - (random() < 0.05 ? Math.floor(random() * 60_000) : 0) }),
      ...(failed ? failure : success),
      payload: { issuer: 'letsencrypt-prod', namespace: 'shops', revision: count % 40 },
    });
  };
};

const headersOf = (body: string, now: number): Record<string, string> => {
  const timestamp = String(Math.floor(now / 1000));
  return {
    'content-type': 'application/json',
    'x-cert-event-token': credentials.CERT_EVENT_INGEST_TOKEN,
    'x-cert-timestamp': timestamp,
    'x-cert-signature': signEvent(key, timestamp, Buffer.from(body)),
  };
};

/** Counts answers, and remembers a few events to send them once more when they are old. */
const recorder = (repeatAfterMs: number) => {
  let [accepted, sent, unknown] = [0, 0, 0];
  let times: number[] = [];
  const refused = new Map<number, number>();
  const kept: Sent[] = [];
  return {
    answer: (status: number, body: string, answer: Record<string, unknown>, due: number, now: number): void => {
      times.push(now - due);
      if (status !== 202) refused.set(status, (refused.get(status) ?? 0) + 1);
      else if (answer['duplicate'] !== true) {
        accepted += 1;
        const last = kept.at(-1);
        if (last === undefined || now - last.at > 5000)
          kept.push({ body, eventId: String(answer['eventId']), at: now });
      }
    },
    /** The next event that is old enough to be sent again. */
    old: (now: number): Sent | undefined => ((kept[0]?.at ?? now) < now - repeatAfterMs ? kept.shift() : undefined),
    repeat: (event: Sent, status: number, answer: Record<string, unknown>): void => {
      sent += 1;
      if (status !== 202 || answer['duplicate'] !== true || answer['eventId'] !== event.eventId) unknown += 1;
    },
    accepted: () => accepted,
    refused: () => refused,
    repeats: () => ({ sent, unknown }),
    take: () => {
      const taken = times;
      times = [];
      return { times: taken };
    },
  };
};

/** Offers events at a steady rate, whatever the answers take; repeats a few when they are old. */
export const startDrive = (
  { api, domains }: Stage,
  { rate, seed, repeatAfterMs }: { readonly rate: number; readonly seed: number; readonly repeatAfterMs: number },
): Drive => {
  const pool = new Pool(`http://127.0.0.1:${api.port}`, { connections: 64, pipelining: 1 });
  const next = bodies(domains, seed);
  const record = recorder(repeatAfterMs);
  const open = new Set<Promise<void>>();
  const stopping = new AbortController();
  const post = async (body: string): Promise<{ status: number; answer: Record<string, unknown> }> => {
    try {
      const { statusCode, body: text } = await pool.request({
        method: 'POST',
        path: '/v1/domains/cert-events',
        headers: headersOf(body, Date.now()),
        body,
      });
      // Every answer of the product is a JSON object.
      return { status: statusCode, answer: (await text.json()) as Record<string, unknown> };
    } catch {
      return { status: 0, answer: {} };
    }
  };
  const track = (work: Promise<void>): void => {
    open.add(work);
    void work.finally(() => open.delete(work));
  };
  const sendOne = async (due: number): Promise<void> => {
    const body = next(Date.now());
    const { status, answer } = await post(body);
    record.answer(status, body, answer, due, Date.now());
  };
  const repeatOne = async (event: Sent): Promise<void> => {
    const { status, answer } = await post(event.body);
    record.repeat(event, status, answer);
  };
  const run = async (): Promise<void> => {
    const started = Date.now();
    for (let sent = 0; !stopping.signal.aborted;) {
      const now = Date.now();
      for (const until = ((now - started) * rate) / 1000; sent < until; sent += 1)
        track(sendOne(started + (sent * 1000) / rate));
      const event = record.old(now);
      if (event !== undefined) track(repeatOne(event));
      await sleep(tickMs);
    }
  };
  const running = run();
  return {
    ...record,
    stop: async () => {
      stopping.abort();
      await running;
      await Promise.all(open);
      await pool.close();
    },
  };
};
