import { createHmac, randomUUID } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, credentials } from '../support/driver.ts';
import { type AnswerLine, answersFile, sentFile } from './journal.ts';
import { sources } from './workload.ts';

const token = credentials.CERT_ADMIN_TOKENS.split(':')[2] ?? '';
const policies = ['standard', 'strict', 'hold'] as const;
const regions = ['eu', 'us', 'ap'] as const;

/** Registers names over four organisations, regions and policies; tries again while nobody can take them. */
export const registerDomains = async (urls: readonly string[], names: readonly string[]): Promise<void> => {
  const lines = names.map((domain, n) =>
    JSON.stringify({
      domain,
      verified: true,
      tlsMode: 'termination',
      region: regions[n % regions.length],
      orgId: `org-${n % 4}`,
      failurePolicy: policies[n % policies.length],
    }),
  );
  const deadline = performance.now() + 120_000;
  for (let round = 0; ; round += 1) {
    const said = await fetch(`${urls[round % urls.length]}/v1/admin/domains/import`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
      signal: AbortSignal.timeout(20_000),
    }).then(
      (response) => response.text(),
      (error: unknown) => String(error),
    );
    if (said.includes(`"imported":${names.length}`)) return;
    if (performance.now() > deadline) throw new Error(`the domains cannot be registered: ${said}`);
    await sleep(200);
  }
};

/**
 * Sends one signed event to the API of that number and gives the answer, whatever it is; its identity is new unless given.
 * Event and answer are written down in `dir`, for the checker.
 */
export const tellOf =
  (urls: readonly string[], dir: string) =>
  async (event: Readonly<Record<string, unknown>> & { readonly domain: string }, api = 0): Promise<Answer> => {
    const { source, clusterId, secret } = sources[0];
    const sent = { sourceEventId: randomUUID(), source, clusterId, ...event };
    const body = JSON.stringify(sent);
    appendFileSync(sentFile(dir), `${body}\n`);
    const started = performance.now();
    const seconds = String(Math.floor(Date.now() / 1000));
    const response = await fetch(`${urls[api % urls.length]}/v1/domains/cert-events`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-cert-event-token': credentials.CERT_EVENT_INGEST_TOKEN,
        'x-cert-timestamp': seconds,
        'x-cert-signature': createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex'),
      },
      body,
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    // Every answer of the product is a JSON object.
    const said = (text === '' ? {} : JSON.parse(text)) as Answer['body'];
    const id = typeof said['eventId'] === 'string' ? said['eventId'] : null;
    const line: AnswerLine = [Date.now(), performance.now() - started, response.status, sent.sourceEventId, id];
    if (response.status === 202) appendFileSync(answersFile(dir), `${JSON.stringify(line)}\n`);
    return { status: response.status, headers: response.headers, body: said };
  };
