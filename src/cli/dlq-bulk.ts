import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, CommandError } from './api-client.ts';
import { type DeadLetterOptions, deadLetterFilters } from './dlq-filters.ts';
import { readBy, withApi } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { counted, printable, table } from './table.ts';

/** Options of a bulk replay. */
export interface BulkReplayOptions extends DeadLetterOptions {
  readonly rate?: number;
  readonly dryRun?: boolean;
  readonly keepRetries?: boolean;
  readonly reason?: string;
  readonly watch?: boolean;
  readonly json?: boolean;
}

type Row = Readonly<Record<string, unknown>>;

const path = '/v1/admin/replays';
const barWidth = 30;
const pollMs = 500;
const over = new Set<unknown>(['done', 'cancelled', 'paused']);

/** A bar of fixed width, and the numbers it stands for. */
export const bar = (done: number, total: number): string => {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const full = Math.round(share * barWidth);
  return `[${'#'.repeat(full)}${'.'.repeat(barWidth - full)}] ${done} of ${total}`;
};

const detailOf = async (api: ApiClient, id: string): Promise<Row> =>
  (await api.expect('GET', `${path}/${encodeURIComponent(id)}`)).body;

const numbersOf = (replay: Row): string =>
  `${printable(replay['applied'])} applied, ${printable(replay['failed_again'])} failed again, ${printable(replay['skipped'])} skipped`;

const lineOf = (replay: Row): string => {
  const [total, left] = [Number(replay['total']), Number(replay['left'])];
  const rest = typeof replay['eta_seconds'] === 'number' ? `, ${replay['eta_seconds']} s left` : '';
  return `${bar(total - left, total)}, ${numbersOf(replay)}${rest}`;
};

const endOf = (id: string, replay: Row): string => {
  const state = String(replay['state']);
  if (state !== 'paused') return `replay ${id} is ${state}: ${numbersOf(replay)}`;
  const why = replay['paused_because'] === null ? '' : ` by itself, ${printable(replay['paused_because'])}`;
  return `replay ${id} is paused${why}: ${numbersOf(replay)}, ${printable(replay['left'])} left; go on with notafter dlq resume ${id}`;
};

/** Follows a replay until it is over or stands still. @returns 0 when all that it opened was applied. */
const follow = async (io: CliIo, api: ApiClient, id: string, columns: number | null): Promise<number> => {
  let detail = await detailOf(api, id);
  try {
    // What was opened may still be under way when nothing is left to open.
    while (!over.has(membersOf(detail['replay'])['state'])) {
      io.progress?.(lineOf(membersOf(detail['replay'])));
      await sleep(pollMs);
      detail = await detailOf(api, id);
    }
  } finally {
    io.progress?.('');
  }
  const replay = membersOf(detail['replay']);
  if (columns === null) io.stdout(JSON.stringify(detail));
  else {
    io.stdout(endOf(id, replay));
    const failures = listOf(detail['failures']).map((one) => [one['events'], one['error_class'], one['pattern']]);
    if (failures.length > 0) for (const line of table(['EVENTS', 'CLASS', 'ERROR'], failures, columns)) io.stdout(line);
  }
  return replay['state'] === 'done' && replay['failed_again'] === 0 ? 0 : 1;
};

const time = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text);

const planBody = (options: BulkReplayOptions, now: number): Row => {
  const { since, until, ...filters } = deadLetterFilters(options, now);
  return {
    ...filters,
    ...(since !== undefined && { since: time(since) }),
    ...(until !== undefined && { until: time(until) }),
    ...(options.rate !== undefined && { ratePerSecond: options.rate }),
    ...(options.reason !== undefined && { reason: options.reason }),
    resetRetry: options.keepRetries !== true,
  };
};

const warnUnregistered = (io: CliIo, plan: Row): void => {
  const waiting = listOf(plan['groups']).filter((group) => group['errorClass'] === 'unresolved');
  if (waiting.length === 0) return;
  io.stderr(
    'notafter dlq replay: some wait for a domain that nobody has registered, and fail again until somebody does: notafter dlq list --unresolved',
  );
};

const sayPlan = (io: CliIo, plan: Row, columns: number): void => {
  io.stdout(
    `${counted(plan['total'], 'event')} of ${counted(plan['domains'], 'domain')} from ${counted(plan['sources'], 'source')}, ${printable(plan['replayedBefore'])} replayed before`,
  );
  const groups = listOf(plan['groups']).map((group) => [
    group['fingerprint'],
    group['events'],
    group['errorClass'],
    group['pattern'],
  ]);
  if (groups.length > 0)
    for (const line of table(['GROUP', 'EVENTS', 'CLASS', 'ERROR'], groups, columns)) io.stdout(line);
};

/** Plans a bulk replay of dead letters and executes it, in the background or followed to its end. */
export const replayInBulk = (io: CliIo, options: BulkReplayOptions): Promise<number> =>
  withApi(io, 'dlq replay', async (api) => {
    const columns = readBy(io, options.json);
    const { body } = await api.expect('POST', path, { body: planBody(options, io.now()) });
    const plan = membersOf(body['plan']);
    const id = String(plan['id']);
    if (columns !== null) warnUnregistered(io, plan);
    if (options.dryRun === true) {
      if (columns === null) io.stdout(JSON.stringify(body));
      else sayPlan(io, plan, columns);
      return 0;
    }
    const started = await api.expect('POST', `${path}/${id}/execute`, { body: {} });
    if (options.watch === true) return follow(io, api, id, columns);
    if (columns === null) io.stdout(JSON.stringify(started.body));
    else
      io.stdout(
        `replay ${id}: ${printable(plan['total'])} events at ${printable(plan['ratePerSecond'])} a second; see notafter dlq watch ${id}`,
      );
    return 0;
  });

const liveReplay = async (api: ApiClient): Promise<string> => {
  for (const state of ['running', 'paused']) {
    const { body } = await api.expect('GET', `${path}?state=${state}&limit=1`);
    const [first] = listOf(body['replays']);
    if (first !== undefined) return String(first['id']);
  }
  throw new CommandError('no replay is running; begin one with notafter dlq replay');
};

/** Follows a bulk replay, the newest one that is not over unless a number is given. */
export const watchReplay = (io: CliIo, id: string | undefined, { json }: { json?: boolean }): Promise<number> =>
  withApi(io, 'dlq watch', async (api) => follow(io, api, id ?? (await liveReplay(api)), readBy(io, json)));

/** Pauses, resumes or cancels a bulk replay. */
export const steerReplay = (
  io: CliIo,
  act: 'pause' | 'resume' | 'cancel',
  id: string,
  { reason, json }: { reason?: string; json?: boolean },
): Promise<number> =>
  withApi(io, `dlq ${act}`, async (api) => {
    const body = reason === undefined ? {} : { reason };
    const answer = await api.expect('POST', `${path}/${encodeURIComponent(id)}/${act}`, { body });
    const replay = membersOf(answer.body['replay']);
    if (readBy(io, json) === null) io.stdout(JSON.stringify(answer.body));
    else
      io.stdout(
        `replay ${printable(replay['id'])} is ${printable(replay['state'])}: ${numbersOf(replay)}, ${printable(replay['left'])} left`,
      );
    return 0;
  });
