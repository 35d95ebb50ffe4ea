import { Command, Option } from 'commander';
import { probeModes, starttlsProtocols } from '../lifecycle/served.ts';
import { driftStates, failurePolicies, tlsModes, tlsStatuses } from '../lifecycle/types.ts';
import { probeDomain, type ProbeOptions } from './domain-probe.ts';
import { forPerson, type Json, pathOf, printDomain, showDomain } from './domain-show.ts';
import { importDomains } from './domains-import.ts';
import { withApi, withPage } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { printable, table } from './table.ts';

interface ListOptions extends Json {
  readonly status?: string;
  readonly region?: string;
  readonly orgId?: string;
  readonly drift?: string;
  readonly match?: string;
  readonly limit: number;
  readonly cursor?: string;
}

/** Options of `put`; false is what `--no-…` gives, and removes. */
export interface PutOptions extends Json {
  readonly verified?: boolean;
  readonly tlsMode?: string;
  readonly region?: string | false;
  readonly failurePolicy?: string;
  readonly orgId?: string | false;
  readonly probeAddress?: readonly string[] | false;
  readonly expiryWarnPercent?: number | false;
  readonly caDirectory?: string | false;
  readonly starttls?: string | false;
  readonly probeMode?: string;
}

type Row = Readonly<Record<string, unknown>>;

const headings = ['DOMAIN', 'STATUS', 'DRIFT', 'REGION', 'ORG', 'VERIFIED', 'NOT AFTER', 'LAST EVENT', 'ERROR'];

const cellsOf = (row: Row): unknown[] => [
  row['domain'],
  row['tls_status'],
  row['drift_state'],
  row['region'] ?? 'unassigned',
  row['org_id'],
  row['verified'] === true ? 'yes' : 'no',
  row['tls_not_after'],
  row['cert_last_event_type'],
  row['tls_last_error'],
];

const list = (io: CliIo, options: ListOptions): Promise<number> =>
  withApi(io, 'domains list', async (api) => {
    const { status, region, orgId, drift, match: q, cursor } = options;
    const query = new URLSearchParams({ limit: String(options.limit) });
    for (const [name, value] of Object.entries({ status, region, orgId, drift, q, cursor })) {
      if (value !== undefined) query.set(name, value);
    }
    const { body } = await api.expect('GET', `/v1/admin/domains?${query.toString()}`);
    const columns = forPerson(io, body, options);
    if (columns === null) return 0;
    for (const line of table(headings, listOf(body['domains']).map(cellsOf), columns)) io.stdout(line);
    if (typeof body['nextCursor'] === 'string') io.stdout(`more: --cursor ${printable(body['nextCursor'])}`);
    return 0;
  });

/** The body of a PUT: what is not given stays out of it, what is `--no-…` becomes null. */
const settingsOf = (options: PutOptions): Row => {
  const {
    verified,
    tlsMode,
    region,
    failurePolicy,
    orgId,
    probeAddress,
    starttls,
    probeMode,
    expiryWarnPercent,
    caDirectory,
  } = options;
  const all = {
    verified,
    tlsMode,
    failurePolicy,
    region,
    orgId,
    probeAddress,
    starttls,
    probeMode,
    expiryWarnPercent,
    caDirectory,
  };
  return Object.fromEntries(
    Object.entries(all)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => [name, name !== 'verified' && value === false ? null : value]),
  );
};

const put = (io: CliIo, name: string, options: PutOptions): Promise<number> =>
  withApi(io, 'domains put', async (api) => {
    const { status, body } = await api.expect('PUT', pathOf(name), { body: settingsOf(options) });
    if (forPerson(io, body, options) === null) return 0;
    io.stdout(status === 201 ? 'registered' : 'saved');
    printDomain(io, membersOf(body['domain']));
    return 0;
  });

const verify = (io: CliIo, name: string, options: Json): Promise<number> =>
  withApi(io, 'domains verify', async (api) => {
    const { body: found } = await api.expect('GET', pathOf(name));
    const id = String(membersOf(found['domain'])['id']);
    const { body } = await api.expect('POST', `/v1/domains/custom/${id}/verify`);
    if (forPerson(io, body, options) === null) return 0;
    io.stdout(`${printable(membersOf(body['domain'])['domain'])} is verified`);
    return 0;
  });

const collect = (value: string, previous: unknown): string[] => [...(Array.isArray(previous) ? previous : []), value];
const jsonHelp = 'print the JSON of the API, as is done without a terminal';

const addList = (domains: Command, io: CliIo): Command =>
  withPage(
    domains
      .command('list')
      .description('domains, in the order of their names')
      .addOption(new Option('--status <status>', 'only this status').choices(tlsStatuses))
      .option('--region <region>', 'only this region; unassigned for those without a route')
      .option('--org-id <id>', 'only this organisation')
      .addOption(new Option('--drift <state>', 'only this drift state').choices(driftStates))
      .option('--match <name>', 'a name, the beginning of one, or *.suffix'),
  ).action(async (options: ListOptions) => {
    process.exitCode = await list(io, options);
  });

const addPut = (domains: Command, io: CliIo): Command =>
  domains
    .command('put')
    .description('register a domain or change the settings that are given')
    .argument('<domain>')
    .option('--verified', 'control of the domain is proved')
    .option('--no-verified', 'it is not')
    .addOption(new Option('--tls-mode <mode>', 'where TLS ends').choices(tlsModes))
    .option('--region <region>', 'route it to this region')
    .option('--no-region', 'remove its route')
    .addOption(new Option('--failure-policy <policy>', 'how it backs off after failures').choices(failurePolicies))
    .option('--org-id <id>', 'organisation it belongs to')
    .option('--no-org-id', 'it belongs to none')
    .option('--probe-address <address>', 'address[:port] to probe; may be repeated', collect)
    .option('--no-probe-address', 'probe what the DNS says')
    .addOption(new Option('--starttls <protocol>', 'protocol to start TLS from').choices(starttlsProtocols))
    .option('--no-starttls', 'TLS from the first byte')
    .addOption(
      new Option('--probe-mode <mode>', 'auto; full: full handshakes only; off: only when asked').choices(probeModes),
    )
    .option('--expiry-warn-percent <percent>', 'part of the lifetime, in percent, that counts as expiring', Number)
    .option('--no-expiry-warn-percent', 'by the rule for all')
    .option('--ca-directory <url>', 'directory of the CA, asked when to renew (RFC 9773)')
    .option('--no-ca-directory', 'no CA is asked')
    .option('--json', jsonHelp)
    .action(async (name: string, options: PutOptions) => {
      process.exitCode = await put(io, name, options);
    });

const addProbe = (domains: Command, io: CliIo): Command =>
  domains
    .command('probe')
    .description('look at what a domain serves, now and with a full handshake')
    .argument('<domain>')
    .option('--wait', 'wait for the look, print every address, and fail unless all is well')
    .option('--json', jsonHelp)
    .addHelpText(
      'after',
      [
        '',
        'Exit codes with --wait: 0 all is well; 1 a fault, drift, or not yet the renewed certificate,',
        'which also fails within the grace of a renewal (CERT_PROBE_DRIFT_GRACE_SECONDS).',
      ].join('\n'),
    )
    .action(async (name: string, options: ProbeOptions) => {
      process.exitCode = await probeDomain(io, name, options);
    });

/** Makes the `domains` subcommand: see, set, import, probe and verify domains. */
export const domainsCommand = (io: CliIo): Command => {
  const domains = new Command('domains').description('see, set, import, probe and verify domains');
  addList(domains, io);
  domains
    .command('show')
    .description('one domain and what happened to it')
    .argument('<domain>')
    .option('--json', jsonHelp)
    .action(async (name: string, options: Json) => {
      process.exitCode = await showDomain(io, name, options);
    });
  addPut(domains, io);
  addProbe(domains, io);
  domains
    .command('import')
    .description('register or change many domains: one JSON object per line, the settings of put with their domain')
    .argument('<file>', 'NDJSON file; - for standard input')
    .option('--json', jsonHelp)
    .action(async (file: string, options: Json) => {
      process.exitCode = await importDomains(io, file, options);
    });
  domains
    .command('verify')
    .description('verify a domain by its TXT record')
    .argument('<domain>')
    .option('--json', jsonHelp)
    .action(async (name: string, options: Json) => {
      process.exitCode = await verify(io, name, options);
    });
  return domains;
};
