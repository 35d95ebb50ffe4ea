import { Command, Option } from 'commander';
import { incidentStatuses, incidentTypes } from '../lifecycle/types.ts';
import { CommandError } from './api-client.ts';
import { readBy, withApi, withPage } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { facts, factsOf, printable, table } from './table.ts';

interface ListOptions {
  readonly status?: string;
  readonly tier?: string;
  readonly type?: string;
  readonly domain?: string;
  readonly source?: string;
  readonly cluster?: string;
  readonly orgId?: string;
  readonly limit: number;
  readonly cursor?: string;
  readonly json?: boolean;
}

interface ActOptions {
  readonly note?: string;
  readonly json?: boolean;
}

const path = '/v1/admin/cert-incidents';
const at = (id: string): string => `${path}/${encodeURIComponent(id)}`;

const queryOf = ({ cluster, json: _json, limit, ...filters }: ListOptions): URLSearchParams => {
  const given = { ...filters, clusterId: cluster, limit: String(limit) };
  const set = Object.entries(given).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, value]],
  );
  return new URLSearchParams(set);
};

const list = (io: CliIo, options: ListOptions): Promise<number> =>
  withApi(io, 'incidents list', async (api) => {
    const { body } = await api.expect('GET', `${path}?${queryOf(options).toString()}`);
    const columns = readBy(io, options.json);
    if (columns === null) {
      io.stdout(JSON.stringify(body));
      return 0;
    }
    const names = ['id', 'created_at', 'status', 'tier', 'incident_type', 'domain', 'reason'];
    const rows = listOf(body['incidents']).map((row) => names.map((name) => row[name]));
    for (const line of table(['ID', 'OPENED', 'STATUS', 'TIER', 'TYPE', 'DOMAIN', 'WHY'], rows, columns))
      io.stdout(line);
    const { open, acknowledged, resolved, tier3_open: tier3 } = membersOf(body['stats']);
    io.stdout('');
    io.stdout(
      `${printable(open)} open, ${printable(tier3)} of them tier 3; ${printable(acknowledged)} acknowledged, ${printable(resolved)} resolved`,
    );
    if (typeof body['nextCursor'] === 'string') io.stdout(`more: --cursor ${printable(body['nextCursor'])}`);
    return 0;
  });

const shown = [
  'status',
  'incident_type',
  'tier',
  'domain',
  'org_id',
  'source',
  'cluster_id',
  'event_id',
  'created_at',
  'acknowledged_at',
  'acknowledged_by',
  'acknowledge_note',
  'resolved_at',
  'resolved_by',
  'resolve_note',
];

const print = (io: CliIo, row: Readonly<Record<string, unknown>>): void => {
  io.stdout(`${printable(row['id'])}  ${printable(row['reason'])}`);
  for (const line of facts(factsOf(row, shown))) io.stdout(line);
  const context = Object.entries(membersOf(row['context']));
  if (context.length === 0) return;
  io.stdout('');
  io.stdout('context');
  for (const line of facts(context)) io.stdout(line);
};

const show = (io: CliIo, id: string, { json }: { json?: boolean }): Promise<number> =>
  withApi(io, 'incidents show', async (api) => {
    const { body } = await api.expect('GET', at(id));
    if (readBy(io, json) === null) io.stdout(JSON.stringify(body));
    else print(io, membersOf(body['incident']));
    return 0;
  });

const acts = {
  ack: { did: 'acknowledged', already: 'alreadyAcknowledged' },
  resolve: { did: 'resolved', already: 'alreadyResolved' },
} as const;

const act = (io: CliIo, name: keyof typeof acts, ids: readonly string[], { note, json }: ActOptions): Promise<number> =>
  withApi(io, `incidents ${name}`, async (api) => {
    if (ids.length === 0) throw new CommandError('give the ids of incidents');
    const people = readBy(io, json) !== null;
    const { did, already } = acts[name];
    for (const id of ids) {
      const { body } = await api.expect('POST', `${at(id)}/${name}`, { body: note === undefined ? {} : { note } });
      const row = membersOf(body['incident']);
      const was = body[already] === true ? `was ${did} already` : `is ${did}`;
      io.stdout(people ? `${printable(row['id'])} ${was}: ${printable(row['domain'])}` : JSON.stringify(body));
    }
    return 0;
  });

const json = '--json';
const jsonAbout = 'print the JSON of the API, as is done without a terminal';

/** Makes the `incidents` subcommand: what went wrong with domains, and what people do about it. */
export const incidentsCommand = (io: CliIo): Command => {
  const command = new Command('incidents').description('read incidents, acknowledge and resolve them');
  withPage(
    command
      .command('list')
      .description('incidents, newest first')
      .addOption(new Option('--status <status>', 'what became of it').choices(incidentStatuses))
      .addOption(new Option('--tier <tier>', 'how grave it is').choices(['1', '2', '3']))
      .addOption(new Option('--type <type>', 'what happened').choices(incidentTypes))
      .option('--domain <name>', 'host name')
      .option('--source <name>', 'source of the event')
      .option('--cluster <id>', 'cluster of the event')
      .option('--org-id <id>', 'organisation of the domain'),
  ).action(async (options: ListOptions) => {
    process.exitCode = await list(io, options);
  });
  command
    .command('show')
    .description('one incident with who did what about it')
    .argument('<id>', 'id of the incident')
    .option(json, jsonAbout)
    .action(async (id: string, options: { json?: boolean }) => {
      process.exitCode = await show(io, id, options);
    });
  for (const [name, about] of [
    ['ack', 'say that somebody is at work on incidents'],
    ['resolve', 'say that incidents are over'],
  ] as const) {
    command
      .command(name)
      .description(about)
      .argument('<ids...>', 'ids of incidents')
      .option('--note <text>', 'what was found or done; it goes to the audit log')
      .option(json, jsonAbout)
      .action(async (ids: string[], options: ActOptions) => {
        process.exitCode = await act(io, name, ids, options);
      });
  }
  return command;
};
