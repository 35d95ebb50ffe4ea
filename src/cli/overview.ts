import { Command } from 'commander';
import { lengthOf } from '../lifecycle/own-words.ts';
import { readBy, withApi } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { facts, printable, table } from './table.ts';

interface Options {
  readonly orgId?: string;
  readonly json?: boolean;
}

type Row = Readonly<Record<string, unknown>>;

const ago = (value: unknown, now: number): string => {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? '-' : lengthOf(Math.max(0, now - at));
};

const forWhom = (value: unknown): string => {
  const { unit, shares, more } = membersOf(value);
  if (unit === undefined) return '-';
  const named = listOf(shares).map(({ name, count }) => {
    const who = name === null ? 'nobody' : printable(name);
    return unit === 'source' && count === 1 ? who : `${who} ${printable(count)}`;
  });
  return [...named, ...(Number(more) > 0 ? [`and ${printable(more)} more`] : [])].join(', ');
};

const rate = (value: unknown): string => Number(value ?? 0).toFixed(1);
const milliseconds = (value: unknown): string =>
  typeof value === 'number' ? `${(value * 1000).toPrecision(3)} ms` : '-';

const summaryOf = (body: Row): string[] => {
  const { total, byStatus, drift } = membersOf(body['domains']);
  const events = membersOf(body['events']);
  const { acceptedPerSecond, appliedPerSecond, applyP50, applyP99 } = membersOf(body['now']);
  const statuses = Object.entries(membersOf(byStatus)).map(([status, n]) => `${printable(n)} ${status}`);
  return facts([
    ['domains', `${printable(total)}: ${statuses.join(', ')}; ${printable(drift)} in drift`],
    [
      'events',
      `${printable(events['pending'])} pending, ${printable(events['retrying'])} of them retrying, ${printable(events['failed'])} dead letters`,
    ],
    ...(body['now'] === null
      ? []
      : [
          [
            'now',
            `${rate(acceptedPerSecond)} accepted and ${rate(appliedPerSecond)} applied a second; applied within ${milliseconds(applyP50)} (half), ${milliseconds(applyP99)} (99 %)`,
          ] as const,
        ]),
  ]);
};

const show = (io: CliIo, options: Options): Promise<number> =>
  withApi(io, 'overview', async (api) => {
    const query = options.orgId === undefined ? '' : `?${new URLSearchParams({ orgId: options.orgId }).toString()}`;
    const { body } = await api.expect('GET', `/v1/admin/overview${query}`);
    const columns = readBy(io, options.json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const items = listOf(body['attention']);
    if (items.length === 0) io.stdout('nothing needs attention');
    else {
      const rows = items.map((item) => [
        ago(item['since'], io.now()),
        forWhom(item['forWhom']),
        item['detail'] === null ? item['title'] : `${printable(item['title'])}. ${printable(item['detail'])}`,
      ]);
      for (const line of table(['SINCE', 'FOR WHOM', 'WHAT IS WRONG'], rows, columns)) io.stdout(line);
    }
    const well = Array.isArray(body['well']) ? body['well'].map(printable) : [];
    if (well.length > 0) io.stdout(`also checked, nothing wrong: ${well.join(', ')}`);
    io.stdout('');
    for (const line of summaryOf(body)) io.stdout(line);
    return 0;
  });

/** Makes the `overview` subcommand: what needs attention, worst first. */
export const overviewCommand = (io: CliIo): Command =>
  new Command('overview')
    .description('what needs attention, worst first')
    .option('--org-id <id>', 'of one organisation')
    .option('--json', 'print the answer as JSON, as is done without a terminal')
    .action(async (options: Options) => {
      process.exitCode = await show(io, options);
    });
