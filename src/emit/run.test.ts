import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startIngest } from '../../test/e2e/support/ingest.ts';
import type { IngestServer } from '../../test/e2e/support/ingest.ts';
import { buildEvents } from './event.ts';
import type { OutgoingEvent } from './event.ts';
import { emitEvents, exitCodeOf } from './run.ts';
import type { EmitReport, EmitRun } from './run.ts';

const identity = { token: 'token-1', secret: 'secret-1', source: 'lego', cluster: 'web-1' };
let ingest: IngestServer;
let directory: string;
let waits: number[];

beforeAll(async () => {
  ingest = await startIngest(identity);
});
afterAll(() => ingest[Symbol.asyncDispose]());
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'notafter-run-'));
  waits = [];
  ingest.accepted.length = 0;
  ingest.requests.count = 0;
});
afterEach(() => {
  ingest.answer = undefined;
  rmSync(directory, { recursive: true, force: true });
});

let serial = 0;
const failuresOf = (...domains: string[]): OutgoingEvent[] =>
  buildEvents({
    ...identity,
    client: 'lego',
    happening: { eventType: 'renewal_failed' },
    occurredAt: Date.now(),
    domains,
    nonce: String((serial += 1)),
    host: 'host-1',
  });

const run = (events: readonly OutgoingEvent[], over: Partial<EmitRun> = {}, url = ingest.url): Promise<EmitReport> =>
  emitEvents({
    sender: { target: { url, ...identity }, fetch, now: Date.now, timeoutMs: 2000 },
    events,
    spoolDirectory: directory,
    sleep: async (ms) => {
      waits.push(ms);
    },
    ...over,
  });

const outcomes = (report: EmitReport): string[] => report.deliveries.map(({ outcome }) => outcome);
const acceptedDomains = (): unknown[] => ingest.accepted.map(({ body }) => body['domain']);
const spooled = (): string[] => readdirSync(directory).filter((name) => name.endsWith('.json'));
const away = 'http://127.0.0.1:1';

describe('emitEvents', () => {
  it('delivers and leaves nothing behind', async () => {
    const report = await run(failuresOf('a.example', 'b.example'));
    expect(outcomes(report)).toEqual(['accepted', 'accepted']);
    expect(exitCodeOf(report)).toBe(0);
    expect(spooled()).toEqual([]);
  });

  it('keeps events while the server is away and sends them first, oldest first, with their own time', async () => {
    const events = failuresOf('a.example', 'b.example');
    const first = await run(events, {}, away);
    expect(outcomes(first)).toEqual(['spooled', 'spooled']);
    expect(exitCodeOf(first)).toBe(3);
    expect(waits).toEqual([500, 2000]);
    const second = await run(failuresOf('c.example'));
    expect(acceptedDomains()).toEqual(['a.example', 'b.example', 'c.example']);
    expect(ingest.accepted.map(({ raw }) => raw).slice(0, 2)).toEqual(events.map(({ body }) => body));
    expect(second.deliveries[0]?.domain).toBe('c.example');
    expect(second.own).toBe(1);
    expect(exitCodeOf(second)).toBe(0);
  });

  it('tries a passing fault again within the run', async () => {
    let faults = 2;
    ingest.answer = () => ((faults -= 1) >= 0 ? { status: 503, headers: { 'retry-after': '3' } } : undefined);
    expect(outcomes(await run(failuresOf('a.example')))).toEqual(['accepted']);
    expect(waits).toEqual([3000, 3000]);
  });

  it('does not wait out a long Retry-After', async () => {
    ingest.answer = () => ({ status: 429, headers: { 'retry-after': '60' } });
    expect(outcomes(await run(failuresOf('a.example')))).toEqual(['spooled']);
    expect(waits).toEqual([]);
  });

  it('goes past one event that the server cannot digest, but not past a broken server', async () => {
    ingest.answer = ({ body }) => (body['domain'] === 'poison.example' ? { status: 500 } : undefined);
    expect(outcomes(await run(failuresOf('poison.example', 'b.example')))).toEqual(['spooled', 'accepted']);
    ingest.answer = () => ({ status: 500 });
    ingest.requests.count = 0;
    const report = await run(failuresOf('c.example', 'd.example', 'e.example', 'f.example', 'g.example'));
    expect(outcomes(report)).toEqual(Array(6).fill('spooled'));
    expect(ingest.requests.count).toBe(5);
  });

  it('sets a rejected event aside and reports why', async () => {
    ingest.answer = () => ({ status: 400, body: { message: 'domain must be a host name' } });
    const report = await run(failuresOf('a.example'));
    expect(report.deliveries[0]).toMatchObject({
      outcome: 'rejected',
      message: 'HTTP 400: domain must be a host name',
    });
    expect(exitCodeOf(report)).toBe(1);
    expect(spooled()).toEqual([]);
    expect(readdirSync(join(directory, 'rejected'))).toHaveLength(1);
  });

  it('keeps events that are refused for the settings, and asks once only', async () => {
    const wrong = {
      sender: { target: { url: ingest.url, ...identity, secret: 'old' }, fetch, now: Date.now, timeoutMs: 2000 },
    };
    const report = await run(failuresOf('a.example', 'b.example'), wrong);
    expect(outcomes(report)).toEqual(['spooled', 'spooled']);
    expect(report.refusal).toBe('HTTP 401: Invalid certificate signature');
    expect(exitCodeOf(report)).toBe(1);
    expect(ingest.requests.count).toBe(1);
    expect(outcomes(await run([]))).toEqual(['accepted', 'accepted']);
  });

  it('takes a success that is already known with another time for reported', async () => {
    const certificate = {
      sha256: 'AB'.repeat(32),
      certificateRef: `sha256:${'AB'.repeat(32)}`,
      names: ['a.example'],
      notBefore: 0,
      notAfter: 1,
      serial: '1',
      issuer: 'CN=x',
    };
    const success = (occurredAt: number, eventId?: string): OutgoingEvent[] =>
      buildEvents({
        ...identity,
        client: 'lego',
        happening: { eventType: 'renewal_succeeded' },
        occurredAt,
        domains: [],
        certificate,
        nonce: '',
        host: 'host-1',
        ...(eventId && { eventId }),
      });
    expect(outcomes(await run(success(1000)))).toEqual(['accepted']);
    expect(outcomes(await run(success(1000)))).toEqual(['duplicate']);
    expect(outcomes(await run(success(2000)))).toEqual(['duplicate']);
    expect(outcomes(await run(success(1000, 'mine')))).toEqual(['accepted']);
    expect(outcomes(await run(success(2000, 'mine')))).toEqual(['rejected']);
  });

  it('leaves the events of another source alone', async () => {
    const [other] = failuresOf('a.example').map((event) => ({
      ...event,
      body: event.body.replace('"lego"', '"certbot"'),
    }));
    await run(other === undefined ? [] : [other], {}, away);
    expect(outcomes(await run(failuresOf('b.example')))).toEqual(['accepted']);
    expect(spooled()).toHaveLength(1);
  });

  it('stops when its time is over', async () => {
    expect(outcomes(await run(failuresOf('a.example', 'b.example'), { budgetMs: -1 }))).toEqual(['spooled', 'spooled']);
    expect(ingest.requests.count).toBe(0);
  });

  it('loses nothing and doubles nothing when runs meet', async () => {
    const reports = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) =>
        run(failuresOf(`${name}.example`), { sleep: (ms) => new Promise((r) => setTimeout(r, ms)) }),
      ),
    );
    expect(acceptedDomains().toSorted((a, b) => String(a).localeCompare(String(b)))).toEqual([
      'a.example',
      'b.example',
      'c.example',
      'd.example',
    ]);
    expect(reports.map(exitCodeOf)).toEqual([0, 0, 0, 0]);
    expect(spooled()).toEqual([]);
  });

  it('sends without a spool when the directory cannot be written, and says what is lost', async () => {
    const file = join(directory, 'file');
    writeFileSync(file, '');
    const sent = await run(failuresOf('a.example'), { spoolDirectory: file });
    expect(outcomes(sent)).toEqual(['accepted']);
    expect(sent.spoolProblem).toMatch(/cannot be written \((EEXIST|ENOTDIR)\)/);
    const lost = await run(failuresOf('b.example'), { spoolDirectory: file }, away);
    expect(outcomes(lost)).toEqual(['lost']);
    expect(exitCodeOf(lost)).toBe(1);
  });
});
