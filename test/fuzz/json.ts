import { randomOf } from '../chaos/random.ts';
import { anyValue, brokenBody, brokenText, oddBody } from './bodies.ts';
import { createSender } from './client.ts';
import type { FuzzOptions } from './http.ts';
import { createTally, type FuzzReport, printable } from './report.ts';
import { goodRequest } from './requests.ts';
import type { Stage } from './stage.ts';

const senders = 16;
/** What contract 1 lets a signed body be answered with. */
const answers: readonly (number | null)[] = [202, 400, 403, 404, 409, 413];

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const lengthOf = (value: unknown, fallback: number): number => (typeof value === 'string' ? value.length : fallback);

/** What no accepted body can lack, read again without any code of the product. */
const isPlausible = (bytes: Uint8Array): boolean => {
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return false;
  }
  if (!isObject(body)) return false;
  const { sourceEventId, domain, domainId, eventType, callbackClass, callbackAction, reason, payload } = body;
  return (
    [sourceEventId, domain, domainId, eventType, reason].every(
      (field) => field === undefined || typeof field === 'string',
    ) &&
    lengthOf(sourceEventId, 3) >= 3 &&
    lengthOf(sourceEventId, 3) <= 200 &&
    lengthOf(reason, 0) <= 4000 &&
    (domain !== undefined || domainId !== undefined) &&
    (eventType !== undefined || (callbackClass !== undefined && callbackAction !== undefined)) &&
    (payload === undefined || isObject(payload)) &&
    !JSON.stringify(body).includes('\\u0000')
  );
};

/** Sends signed bodies of every kind. Wants: only what the contract knows, and exactly the rows that were accepted. */
export const fuzzJson = async (stage: Stage, { seed, count, onProgress }: FuzzOptions): Promise<FuzzReport> => {
  const random = randomOf(seed);
  const tally = createTally();
  const rows = async (): Promise<number> =>
    (await stage.sql<{ n: number }[]>`select count(*)::int as n from certificate_lifecycle_events`)[0]?.n ?? -1;
  const before = await rows();
  const accepted = new Set<string>();
  const started = performance.now();
  let cases = 0;
  const bodyOf = (): Uint8Array => {
    const dice = random.next();
    if (dice < 0.6) return oddBody(random);
    if (dice < 0.75) return Buffer.from(JSON.stringify(anyValue(random, 5)));
    return dice < 0.9 ? brokenText(random) : Buffer.from(brokenBody(random));
  };
  const sendAll = async (): Promise<void> => {
    const sender = createSender(stage.port);
    while (cases < count && !stage.app.hasExited()) {
      const at = cases;
      const body = bodyOf();
      cases += 1;
      const { status, text } = await sender.send(goodRequest(body, Date.now()), false);
      tally.count(String(status ?? 'hung up'));
      if (!answers.includes(status)) tally.flaw(`answered ${String(status)}`, printable(body), at);
      if (status === 202 && !isPlausible(body)) tally.flaw('accepted although it breaks a rule', printable(body), at);
      const id = status === 202 ? /"eventId":"([^"]+)"/.exec(text)?.[1] : undefined;
      if (id !== undefined) accepted.add(id);
      if (at > 0 && at % 10_000 === 0) onProgress?.(at);
    }
    sender.close();
  };
  await Promise.all(Array.from({ length: senders }, sendAll));
  const written = (await rows()) - before;
  if (written !== accepted.size) tally.flaw(`${accepted.size} events were accepted and ${written} written`, '', cases);
  if (!(await stage.isWell()))
    tally.flaw('the program does not take good events any more', stage.app.output().slice(-2000), cases);
  return {
    target: 'json',
    seed,
    cases,
    seconds: (performance.now() - started) / 1000,
    answers: tally.answers,
    flaws: tally.flaws,
    figures: { 'events accepted': String(accepted.size) },
  };
};
