import { withApi } from './events.ts';
import { type CliIo, listOf, membersOf } from './io.ts';
import { withRemedy } from './remedy.ts';
import { facts, factsOf, printable, table, widest } from './table.ts';

export interface Json {
  readonly json?: boolean;
}

type Row = Readonly<Record<string, unknown>>;

export const pathOf = (domain: string): string => `/v1/admin/domains/${encodeURIComponent(domain)}`;

/** Prints an answer as JSON where no person reads it. @returns the width for a person, or null when it is printed. */
export const forPerson = (io: CliIo, body: Row, { json }: Json): number | null => {
  const columns = json === true ? null : io.columns;
  if (columns === null) io.stdout(JSON.stringify(body));
  return columns;
};

export const printDomain = (io: CliIo, domain: Row): void => {
  io.stdout(`${printable(domain['domain'])}  ${printable(domain['tls_status'])}`);
  const names = Object.keys(domain).filter((name) => !['domain', 'tls_status'].includes(name));
  for (const line of facts(factsOf(domain, names))) io.stdout(line);
};

/** Both truths side by side, or one below the other where the terminal is too narrow to show them whole. */
const truthLines = (rows: readonly (readonly [string, unknown, unknown])[], columns: number): string[] => {
  const lengths = rows.map((row) => row.map((cell) => printable(cell).length));
  const widths = [0, 1, 2].map((index) => Math.max(...lengths.map((row) => row[index] ?? 0)));
  if ((widths[1] ?? 0) <= widest && widths.reduce((sum, width) => sum + width + 2) <= columns)
    return table(['', 'EVENTS', 'SERVED'], rows, columns);
  return [
    'EVENTS',
    ...facts(rows.map(([name, said]) => [name, said])),
    'SERVED',
    ...facts(rows.map(([name, , seen]) => [name, seen])),
  ];
};

/** What events said beside what is served, and how the two stand to each other. */
const printTruth = (io: CliIo, domain: Row, columns: number): void => {
  // A certificate that a look filled in is none that events spoke of.
  const said = domain['certificate_filled'] === true ? {} : domain;
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ['certificate', said['certificate_ref'], domain['observed_certificate_ref']],
    ['not before', said['tls_not_before'], domain['observed_not_before']],
    ['not after', said['tls_not_after'], domain['observed_not_after']],
    ['at', domain['cert_last_event_at'], domain['tls_last_checked_at']],
    ['found', domain['cert_last_event_type'], domain['tls_fault'] ?? (domain['tls_last_checked_at'] && 'ok')],
    ['error', domain['cert_last_error'], withRemedy(domain['tls_fault_error'], domain['tls_fault'])],
  ];
  for (const line of truthLines(rows, columns)) io.stdout(line);
  const { drift_state: drift, drift_since: since } = domain;
  io.stdout(drift === null ? 'drift: not judged' : `drift: ${printable(drift)} since ${printable(since)}`);
};

/** What each address serves, one line each. */
export const printAddresses = (io: CliIo, addresses: readonly Row[], columns: number): void => {
  const rows = addresses.map((row) => [
    row['address'],
    row['verdict'],
    row['tls_not_after'],
    row['depth'],
    row['checked_at'],
    withRemedy(row['error'], row['verdict']) ?? row['certificate_ref'],
  ]);
  const headings = ['ADDRESS', 'VERDICT', 'NOT AFTER', 'DEPTH', 'CHECKED', 'ERROR OR CERTIFICATE'];
  for (const line of table(headings, rows, columns)) io.stdout(line);
};

const whatHappened = (entry: Row): unknown[] => {
  switch (entry['kind']) {
    case 'probe':
      return [entry['at'], 'probe', entry['address'], entry['verdict'], entry['error'] ?? entry['certificate_ref']];
    case 'incident': {
      const { at, tier, incident_type: type, status, resolved_at: resolvedAt, reason } = entry;
      const state = typeof resolvedAt === 'string' ? `${printable(status)} ${resolvedAt}` : status;
      return [at, `incident, tier ${printable(tier)}`, type, state, reason];
    }
    case 'notification': {
      const { at, channel, class: about, action, status, last_error: error } = entry;
      return [at, `notification, ${printable(channel)}`, `${printable(about)} ${printable(action)}`, status, error];
    }
    default:
      return [entry['at'], entry['kind'], entry['event_type'], entry['status'], entry['last_error'] ?? entry['reason']];
  }
};

/** Shows one domain: its row, both truths, its addresses and what happened to it. */
export const showDomain = (io: CliIo, domain: string, options: Json): Promise<number> =>
  withApi(io, 'domains show', async (api) => {
    const { body } = await api.expect('GET', pathOf(domain));
    const columns = forPerson(io, body, options);
    if (columns === null) return 0;
    const row = membersOf(body['domain']);
    printDomain(io, row);
    io.stdout('');
    printTruth(io, row, columns);
    io.stdout('');
    const addresses = listOf(body['addresses']);
    if (addresses.length > 0) {
      printAddresses(io, addresses, columns);
      io.stdout('');
    }
    const rows = listOf(body['timeline']).map(whatHappened);
    for (const line of table(['AT', 'WHAT', 'TYPE', 'STATUS', 'REASON'], rows, columns)) io.stdout(line);
    return 0;
  });
