import { type ApiClient, CommandError } from './api-client.ts';
import { epochOf } from './event-options.ts';
import { readBy, withApi } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { printable, table } from './table.ts';

const mostShown = 50;

type Row = Readonly<Record<string, unknown>>;

/** Filters of the outbox as commander hands them over. */
export interface FilterOptions {
  readonly status?: string;
  readonly channel?: string;
  readonly class?: string;
  readonly domain?: string;
  readonly orgId?: string;
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

/** Options of `requeue`. */
export interface RequeueOptions extends FilterOptions {
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly limit: number;
  readonly reason?: string;
}

/** Where the API has the outbox. */
export const path = '/v1/admin/notifications';
/** Path of one notification. */
export const at = (id: string): string => `${path}/${encodeURIComponent(id)}`;
/** The filters as the API has them; times as epoch milliseconds or RFC 3339. */
export const filtersOf = (options: FilterOptions, now: number): Record<string, string> => {
  const { status, channel, class: noticeClass, domain, orgId, since, until } = options;
  const all = {
    status,
    channel,
    class: noticeClass,
    domain,
    orgId,
    since: since === undefined ? undefined : epochOf(since, now),
    until: until === undefined ? undefined : epochOf(until, now),
  };
  return Object.fromEntries(
    Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
};

const time = (text: string): string | number => (/^\d+$/.test(text) ? Number(text) : text);

const reasonOf = ({ reason }: RequeueOptions): Record<string, string> => (reason === undefined ? {} : { reason });

const bulkBody = (options: RequeueOptions, now: number): Record<string, unknown> => {
  const { since, until, ...filters } = filtersOf(options, now);
  return {
    ...filters,
    ...(since !== undefined && { since: time(since) }),
    ...(until !== undefined && { until: time(until) }),
    limit: options.limit,
    dryRun: options.dryRun ?? false,
    ...reasonOf(options),
  };
};

/** How many the filters let through, by status; the status of the options is left out. */
const countsOf = async (api: ApiClient, options: FilterOptions, now: number): Promise<Row> => {
  const { status: _status, ...filters } = filtersOf(options, now);
  const query = new URLSearchParams({ ...filters, limit: '1' });
  return membersOf((await api.expect('GET', `${path}?${query.toString()}`)).body['stats']);
};

/** A line about a channel that nothing was ever decided for, with those that there are; null when the channel is one of them. */
export const unknownChannel = async (api: ApiClient, channel: string | undefined): Promise<string | null> => {
  if (channel === undefined) return null;
  const counts = await countsOf(api, { channel }, 0);
  if (Object.values(counts).some((count) => Number(count) > 0)) return null;
  const { body } = await api.expect('GET', `${path}?limit=500`);
  const names = new Set(listOf(body['notifications']).map((row) => printable(row['channel'])));
  const seen =
    names.size === 0 ? 'there are no notifications at all' : `channels that have some: ${[...names].join(', ')}`;
  return `there is no notification for a channel ${printable(channel)}; ${seen}`;
};

const dryRun = async (io: CliIo, api: ApiClient, ids: readonly string[], columns: number): Promise<void> => {
  const rows: Row[] = [];
  for (const id of ids.slice(0, mostShown)) {
    rows.push(membersOf((await api.expect('GET', at(id))).body['notification']));
  }
  const names = ['id', 'created_at', 'status', 'channel', 'class', 'summary', 'last_error'];
  const cells = rows.map((row) => names.map((name) => row[name]));
  for (const line of table(['ID', 'DECIDED', 'STATUS', 'CHANNEL', 'CLASS', 'WHAT', 'ERROR'], cells, columns))
    io.stdout(line);
  if (ids.length > rows.length) io.stdout(`and ${ids.length - rows.length} more: --json has all ids`);
  io.stdout('');
};

const requeueFiltered = async (io: CliIo, api: ApiClient, options: RequeueOptions): Promise<number> => {
  const unknown = await unknownChannel(api, options.channel);
  if (unknown !== null) throw new CommandError(unknown);
  const { body } = await api.expect('POST', `${path}/requeue`, { body: bulkBody(options, io.now()) });
  const columns = readBy(io, options.json);
  if (columns === null) {
    io.stdout(JSON.stringify(body));
    return 0;
  }
  const counts = await countsOf(api, options, io.now());
  const count = (status: string): number => Number(counts[status] ?? 0);
  const status = options.status ?? 'dead';
  if (options.dryRun === true) {
    const ids = Array.isArray(body['ids']) ? body['ids'].map(String) : [];
    if (ids.length > 0) await dryRun(io, api, ids, columns);
    io.stdout(`would requeue ${ids.length} of ${count(status)} ${status} (--limit ${options.limit})`);
    return 0;
  }
  io.stdout(`${printable(body['requeued'])} of ${printable(body['attempted'])} requeued`);
  if (count(status) > 0) io.stdout(`${count(status)} ${status} are left: run it again, or raise --limit`);
  if (status === 'dead' && count('failed') > 0)
    io.stdout(`${count('failed')} failed are left, to be tried again by themselves; --status failed sends them now`);
  return 0;
};

/** Delivers notifications again, by id or all that the filters let through. @returns the exit code */
export const requeue = (io: CliIo, ids: readonly string[], options: RequeueOptions): Promise<number> =>
  withApi(io, 'notifications requeue', async (api) => {
    const byFilter = options.all === true || Object.keys(filtersOf(options, io.now())).length > 0;
    if (ids.length > 0 === byFilter) throw new CommandError('give the ids of notifications, a filter, or --all');
    if (byFilter) return requeueFiltered(io, api, options);
    const people = readBy(io, options.json) !== null;
    if (options.dryRun === true) throw new CommandError('--dry-run goes with a filter or --all, not with ids');
    for (const id of ids) {
      const { body } = await api.expect('POST', `${at(id)}/requeue`, { body: reasonOf(options) });
      const row = membersOf(body['notification']);
      io.stdout(people ? `${printable(row['id'])} is ${printable(row['status'])} again` : JSON.stringify(body));
    }
    return 0;
  });
