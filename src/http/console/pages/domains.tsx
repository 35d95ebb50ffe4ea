import type { FC } from 'hono/jsx';
import type { DomainRow } from '../../../db/domain-row.ts';
import { driftStates, tlsStatuses } from '../../../lifecycle/types.ts';
import type { DomainsQuery } from '../domain-search.ts';
import { count, counted } from '../format.ts';
import { type Chip, ChoiceFilter, choicesOf, Filters, OrganisationFilter, TextFilter } from '../parts/filters.tsx';
import { CsvLink } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel } from '../parts/panel.tsx';
import { Drift, Status } from '../parts/state.tsx';
import { type Column, DataTable, Pager, shownOf } from '../parts/table.tsx';
import { DomainLink, Link, Quoted, Time } from '../parts/text.tsx';
import { useView } from '../view.ts';
import { driftWords, eventWords, sentence, statusWords } from '../words.ts';

interface DomainsProps {
  readonly rows: readonly DomainRow[];
  readonly next: string | null;
  /** How many the filters let through; null where that is not counted. */
  readonly total: number | null;
  readonly asked: DomainsQuery;
  /** Names for the choice of a region. */
  readonly regions: readonly string[];
  readonly size: number;
}

const columns: readonly Column<DomainRow>[] = [
  {
    name: 'Domain',
    kind: 'id',
    cell: ({ domain, org_id: org, region }) => (
      <>
        <DomainLink name={domain} />
        <span class="sub">
          <Quoted text={[org ?? 'no organisation', region ?? 'unassigned'].join(', ')} max={120} />
        </span>
      </>
    ),
  },
  { name: 'Status', cell: ({ tls_status: status }) => <Status of={status} /> },
  { name: 'Served', cell: ({ drift_state: state }) => <Drift of={state} /> },
  { name: 'Expires', sort: 'ends', width: 's', cell: ({ tls_not_after: at }) => <Time at={at} /> },
  { name: 'Renewal due', sort: 'renewal', width: 's', cell: ({ renewal_due_at: at }) => <Time at={at} as="due" /> },
  {
    name: 'Last event',
    cell: ({ cert_last_event_type: type, cert_last_event_at: at, tls_last_error: error }) => (
      <>
        {type === null ? <span class="faint">none yet</span> : eventWords[type]}
        {type !== null && (
          <>
            , <Time at={at} />
          </>
        )}
        {error !== null && (
          <span class="sub err">
            <Quoted text={error} max={160} />
          </span>
        )}
      </>
    ),
  },
];

const aboutOf = ({ total, rows, asked }: DomainsProps): string => {
  const order =
    asked.sort === 'renewal' || asked.sla
      ? 'renewal due first'
      : asked.sort || asked.expires
        ? 'ending first'
        : 'by name';
  return total === null
    ? `${counted(rows.length, 'domain')} shown, ${order}`
    : shownOf(count(rows.length), count(total), order);
};

const chipsOf = ({ expires, sla, drift }: DomainsQuery): Chip[] => [
  ...(expires === undefined ? [] : [{ name: 'expires', text: <Time at={expires} as="date" /> }]),
  ...(sla === undefined ? [] : [{ name: 'sla', label: 'renewal', text: 'past the time to renew' }]),
  ...(drift === 'any' ? [{ name: 'drift', label: 'served', text: 'not as expected' }] : []),
];

const Choices: FC<DomainsProps> = ({ asked, regions }) => (
  <Filters to="domains" chips={chipsOf(asked)}>
    <TextFilter name="q" label="Name" placeholder="Name or *.suffix" />
    <ChoiceFilter
      name="status"
      label="Status"
      any="Any status"
      choices={choicesOf(tlsStatuses, (value) => sentence(statusWords[value]))}
    />
    <ChoiceFilter
      name="drift"
      label="Served"
      any="Served: any"
      choices={choicesOf(driftStates, (value) => sentence(driftWords[value]))}
    />
    {regions.length > 50 ? (
      <TextFilter name="region" label="Region" />
    ) : (
      <ChoiceFilter name="region" label="Region" any="Any region" choices={choicesOf(regions)} />
    )}
    <OrganisationFilter />
  </Filters>
);

const Nothing: FC<{ filtered: boolean; more: boolean }> = ({ filtered, more }) => {
  if (more)
    return <Empty title="None in this stretch of the list">Few domains match. The next page goes on looking.</Empty>;
  if (!filtered)
    return (
      <Empty title="No domain is registered yet">
        Add one with <code>notafter domains add</code>, or import many with <code>notafter domains import</code>.
      </Empty>
    );
  return (
    <Empty title="No domain matches these filters">
      <Link to="domains">Remove the filters</Link> to see all of them.
    </Empty>
  );
};

const titles: Readonly<Record<string, string>> = { breach: 'Domains past the time to renew' };

/** Names the list by what it is narrowed to. */
export const domainsTitle = ({ total, asked }: Pick<DomainsProps, 'total' | 'asked'>): string => {
  if (asked.sla !== undefined) return titles[asked.sla] ?? 'Domains';
  if (total === null) return 'Domains';
  const what = asked.status === undefined ? '' : `, ${statusWords[asked.status]}`;
  return `${counted(total, 'domain')}${what}`;
};

/** The list of domains. */
export const DomainsPage: FC<DomainsProps> = (props) => {
  const { rows, next, asked, size } = props;
  const { query } = useView();
  const filtered = [...query.keys()].some((name) => name !== 'sort' && query.get(name) !== '');
  return (
    <>
      <Head
        title={asked.sla === undefined ? 'Domains' : 'Domains past the time to renew'}
        about="What events say of each certificate, beside what its servers show."
      />
      <Panel
        id="list"
        title="Domains"
        quietTitle
        about={aboutOf(props)}
        more={<CsvLink to="domains.csv" />}
        live="domains"
        {...((rows.length > 0 || next !== null) && { foot: <Pager next={next} size={size} /> })}
      >
        <Choices {...props} />
        <DataTable
          caption="Domains"
          columns={columns}
          rows={rows}
          rowId={({ id }) => id}
          sorted={asked.sort}
          empty={<Nothing filtered={filtered} more={next !== null} />}
        />
      </Panel>
    </>
  );
};
