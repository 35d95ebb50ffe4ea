// Senders of events in a process of its own: node driver-process.ts SETTINGS.json. SIGTERM lets each have its event accepted, and ends.
import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AnswerLine, answersFile, openJournal, sentFile, type SentLine } from './journal.ts';
import { type Random, randomOf } from './random.ts';
import { type Line, openLine } from './sender.ts';
import { sources, workload } from './workload.ts';

/** What the process is told. */
export interface DriverSettings {
  /** Where its journals go. */
  readonly dir: string;
  readonly ports: readonly number[];
  readonly token: string;
  readonly name: string;
  readonly seed: number;
  readonly events: number | null;
  readonly rate: number | null;
  readonly burst: number;
  readonly senders: number;
  readonly duplicates: number;
  readonly unresolved: number;
  readonly domains: readonly string[];
  readonly strangers: readonly string[];
}

interface Ready {
  readonly identity: string;
  readonly body: string;
  readonly event: SentLine;
}

const ahead = 256;
const patienceMs = 20_000;
const keys = new Map(sources.map(({ source, clusterId, secret }) => [`${source} ${clusterId}`, secret]));

/** Events that are on disk, some ahead of those that are sent. */
const supply = (settings: DriverSettings, random: Random): (() => Promise<Ready>) => {
  const journal = openJournal(sentFile(settings.dir));
  const make = workload({ ...settings, random, now: Date.now() });
  const ready: Ready[] = [];
  let filling: Promise<void> | null = null;
  const fill = async (): Promise<void> => {
    const batch = Array.from({ length: ahead }, () => {
      const event = make();
      return { identity: event.sourceEventId, body: JSON.stringify(event), event };
    });
    await Promise.all(batch.map(({ body }) => journal.append(body)));
    ready.push(...batch);
    filling = null;
  };
  return async () => {
    for (;;) {
      if (ready.length < ahead / 2) filling ??= fill();
      const next = ready.shift();
      if (next !== undefined) return next;
      await filling;
    }
  };
};

const requestOf = ({ body, event }: Ready, token: string, at: number): Buffer => {
  const seconds = String(Math.floor(at / 1000));
  const key = keys.get(`${String(event['source'])} ${String(event['clusterId'])}`) ?? '';
  const signature = createHmac('sha256', key).update(`${seconds}.${body}`).digest('hex');
  return Buffer.from(
    `POST /v1/domains/cert-events HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
      `x-cert-event-token: ${token}\r\nx-cert-timestamp: ${seconds}\r\nx-cert-signature: ${signature}\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
};

/** Paces senders to so many events a second together, in bursts of 1 to `burst`; those that were kept waiting catch up. */
const pacer = ({ rate, burst }: DriverSettings, random: Random): (() => Promise<void>) => {
  let due = performance.now();
  let left = 0;
  return async () => {
    if (rate === null) return;
    if (left === 0) {
      left = random.between(1, burst);
      due += (left / rate) * 1000;
    }
    left -= 1;
    const wait = due - performance.now();
    if (wait > 0) await sleep(wait);
  };
};

const run = async (settings: DriverSettings): Promise<void> => {
  const { ports, events, duplicates, senders, token, seed } = settings;
  const next = supply(settings, randomOf(seed));
  const answers = openJournal(answersFile(settings.dir));
  const turn = pacer(settings, randomOf(seed + 1));
  const recent: Ready[] = [];
  let begun = 0;
  let stopping = false;
  process.on('SIGTERM', () => (stopping = true));
  const goesOn = (): boolean => !stopping && (events === null || begun < events);

  const attempt = async (line: Line, one: Ready): Promise<number> => {
    const at = Date.now();
    const started = performance.now();
    const { status, body } = await line.ask(requestOf(one, token, at), patienceMs);
    const ms = Math.round((performance.now() - started) * 100) / 100;
    const id = /"eventId":"([^"]+)"/.exec(body)?.[1] ?? null;
    const answer: AnswerLine = [Date.now(), ms, status, one.identity, id];
    const written = answers.append(JSON.stringify(answer));
    if (status !== 202) await written;
    return status;
  };
  const deliver = async (lines: readonly Line[], one: Ready, from: number): Promise<void> => {
    for (let round = from; ; round += 1) {
      const line = lines[round % lines.length];
      if (line === undefined || (await attempt(line, one)) === 202) return;
      await sleep(50);
    }
  };
  const sender = async (index: number): Promise<void> => {
    const random = randomOf(seed * 1000 + index);
    const lines = ports.map(openLine);
    for (let round = index; goesOn(); round += 1) {
      begun += 1;
      await turn();
      const one = await next();
      await deliver(lines, one, round);
      recent[random.between(0, 999)] = one;
      const again = random.chance(duplicates) ? (recent[random.between(0, 999)] ?? one) : null;
      if (again !== null) await deliver(lines, again, round + 1);
    }
    for (const line of lines) line.close();
  };
  await Promise.all(Array.from({ length: senders }, (_, index) => sender(index)));
  await answers.close();
};

const [file = ''] = process.argv.slice(2);
// Written by drive.ts.
await run(JSON.parse(readFileSync(file, 'utf8')) as DriverSettings);
process.exit(0);
