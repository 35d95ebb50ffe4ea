import type { FC } from 'hono/jsx';
import type { IncidentRow, IncidentStats } from '../../../db/incident-reads.ts';
import { type IncidentStatus, incidentTypes } from '../../../lifecycle/types.ts';
import { count, counted } from '../format.ts';
import { ChoiceFilter, choicesOf, Filters, OrganisationFilter, TextFilter } from '../parts/filters.tsx';
import { ActionLink, Submit } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel, Tabs, Verdict } from '../parts/panel.tsx';
import { CsvButton, Done, PickBar } from '../parts/pick.tsx';
import { Count, type outcomeMarks, Outcome } from '../parts/state.tsx';
import { type Column, DataTable, Pager, shownOf } from '../parts/table.tsx';
import { DomainLink, Link, Quoted, Time } from '../parts/text.tsx';
import { href, useView } from '../view.ts';
import { incidentWords, sentence } from '../words.ts';

/** What the list is narrowed to; all of them, too. */
export type IncidentTab = IncidentStatus | 'all';

interface IncidentsProps {
  readonly rows: readonly IncidentRow[];
  readonly next: string | null;
  readonly size: number;
  readonly tab: IncidentTab;
  /** Of all that the filters let through, whatever the tab. */
  readonly stats: IncidentStats;
  /** What the act before this page came to. */
  readonly done: { readonly act: 'ack' | 'resolve'; readonly changed: number; readonly skipped: number } | null;
}

const filterNames = ['domain', 'type', 'tier', 'source', 'clusterId', 'orgId'] as const;

const marks: Readonly<Record<IncidentStatus, keyof typeof outcomeMarks>> = {
  open: 'bad',
  acknowledged: 'warn',
  resolved: 'ok',
};

/** The state of an incident. */
export const IncidentState: FC<{ of: IncidentStatus; pill?: boolean }> = ({ of, pill = false }) => (
  <Outcome of={marks[of]} pill={pill}>
    {of}
  </Outcome>
);

const Who: FC<{ of: IncidentRow }> = ({ of }) => {
  const { status, acknowledged_by: seen, acknowledged_at: seenAt, resolved_by: ended, resolved_at: endedAt } = of;
  const [name, at] = status === 'resolved' ? [ended, endedAt] : [seen, seenAt];
  if (status === 'open' || at === null) return null;
  return (
    <span class="sub">
      {name !== null && (
        <>
          by <Quoted text={name} max={80} />,{' '}
        </>
      )}
      <Time at={at} />
    </span>
  );
};

const RowActs: FC<{ of: IncidentRow }> = ({ of: { id, status } }) => (
  <>
    {status === 'open' && (
      <ActionLink to="incidents/some/ack" params={{ ids: id }} dialog small needs="operator">
        Acknowledge…
      </ActionLink>
    )}{' '}
    {status !== 'resolved' && (
      <ActionLink to="incidents/some/resolve" params={{ ids: id }} dialog small needs="operator">
        Resolve…
      </ActionLink>
    )}
  </>
);

const columns: readonly Column<IncidentRow>[] = [
  {
    name: 'Incident',
    kind: 'id',
    cell: ({ id, incident_type: type, reason }) => (
      <>
        <Link to={`incidents/${id}`}>{sentence(incidentWords[type])}</Link>
        {reason !== null && (
          <span class="sub err">
            <Quoted text={reason} max={200} />
          </span>
        )}
      </>
    ),
  },
  {
    name: 'Domain',
    cell: ({ domain, org_id: org }) => (
      <>
        <DomainLink name={domain} />
        {org !== null && (
          <span class="sub">
            <Quoted text={org} max={80} />
          </span>
        )}
      </>
    ),
  },
  { name: 'Tier', kind: 'num', cell: ({ tier }) => tier },
  { name: 'Since', width: 's', cell: ({ created_at: at }) => <Time at={at} as="since" /> },
  {
    name: 'Status',
    width: 'm',
    cell: (row) => (
      <>
        <IncidentState of={row.status} />
        <Who of={row} />
      </>
    ),
  },
  { name: 'Actions', kind: 'act', cell: (row) => <RowActs of={row} /> },
];

const Choices: FC<{ tab: IncidentTab }> = ({ tab }) => {
  const { query } = useView();
  const text = (name: string): string => query.get(name) ?? '';
  const chips = text('clusterId') === '' ? [] : [{ name: 'clusterId', text: text('clusterId') }];
  return (
    <Filters
      to="incidents"
      chips={chips}
      keep={{ ...(tab !== 'open' && { status: tab }), ...(chips.length > 0 && { clusterId: text('clusterId') }) }}
    >
      <TextFilter name="domain" label="Domain" />
      <ChoiceFilter
        name="type"
        label="Type"
        any="Any type"
        choices={choicesOf(incidentTypes, (value) => sentence(incidentWords[value]))}
      />
      <ChoiceFilter
        name="tier"
        label="Tier"
        any="Any tier"
        choices={choicesOf(['1', '2', '3'], (value) => `Tier ${value}`)}
      />
      <TextFilter name="source" label="Source" />
      <OrganisationFilter />
    </Filters>
  );
};

const TabsOf: FC<{ tab: IncidentTab; stats: IncidentStats }> = ({ tab, stats }) => {
  const { query } = useView();
  const params = Object.fromEntries(
    filterNames.flatMap((name) => (query.get(name) === null ? [] : [[name, query.get(name) ?? '']])),
  );
  const of = (name: IncidentTab, text: string, n: number, bad = false) => ({
    to: 'incidents',
    params: name === 'open' ? params : { ...params, status: name },
    text,
    count: <Count bad={bad && n > 0}>{count(n)}</Count>,
    current: tab === name,
  });
  return (
    <Tabs
      label="Incidents"
      of={[
        of('open', 'Open', stats.open, true),
        of('acknowledged', 'Acknowledged', stats.acknowledged),
        of('resolved', 'Resolved', stats.resolved),
        of('all', 'All', stats.total),
      ]}
    />
  );
};

const Nothing: FC<{ tab: IncidentTab }> = ({ tab }) => {
  const { query } = useView();
  if (filterNames.some((name) => (query.get(name) ?? '') !== ''))
    return (
      <Empty title="No incident matches these filters">
        <Link to="incidents">Remove the filters</Link> to see all of them.
      </Empty>
    );
  if (tab === 'open')
    return (
      <Empty title="No incident is open">
        Failures of issuance and renewal, TLS errors and drift stand here until they end.
      </Empty>
    );
  return <Empty title={tab === 'all' ? 'There was no incident yet' : `No incident is ${tab}`} />;
};

const acts = { ack: 'acknowledged', resolve: 'resolved' } as const;

const Result: FC<{ of: NonNullable<IncidentsProps['done']> }> = ({ of: { act, changed, skipped } }) => (
  <Done>
    {counted(changed, 'incident')} {acts[act]}
    {skipped > 0 && `, ${count(skipped)} left as they were: somebody was first`}.
  </Done>
);

const worst = (tier3: number): string => (tier3 === 0 ? '' : `, ${count(tier3)} of them tier 3`);

/** The verdict of the page, for its tab. */
export const incidentsTitle = ({ open, tier3_open: tier3 }: IncidentStats): string =>
  open === 0 ? 'No open incidents' : `${counted(open, 'open incident')}${worst(tier3)}`;

const Worst: FC<{ stats: IncidentStats }> = ({ stats: { tier3_open: tier3 } }) =>
  tier3 === 0 ? null : (
    <Verdict
      tone="tls_error"
      icon="s-breach"
      live="incidents"
      title={`${counted(tier3, 'open incident')} of tier 3`}
      actions={
        <ActionLink to="incidents" params={{ tier: 3 }}>
          Show {count(tier3)}
        </ActionLink>
      }
    >
      The gravest there are. Nobody has acknowledged {tier3 === 1 ? 'it' : 'them'} yet.
    </Verdict>
  );

const PickActs: FC<{ tab: IncidentTab }> = ({ tab }) => {
  const view = useView();
  return (
    <PickBar form="pick" to="incidents/some/resolve">
      {tab === 'open' && (
        <Submit small needs="operator" formaction={href(view, 'incidents/some/ack')} data-some>
          Acknowledge selected…
        </Submit>
      )}
      <Submit small needs="operator" data-some>
        Resolve selected…
      </Submit>
    </PickBar>
  );
};

/** The list of incidents, by what became of them. */
export const IncidentsPage: FC<IncidentsProps> = (props) => {
  const { rows, next, size, tab, stats, done } = props;
  const shown = tab === 'all' ? stats.total : stats[tab];
  const ticks = tab === 'open' || tab === 'acknowledged';
  return (
    <>
      <Head
        title="Incidents"
        about={`${incidentsTitle(stats)}, ${count(stats.acknowledged)} acknowledged, ${count(stats.resolved)} resolved.`}
        actions={<CsvButton to="incidents.csv" />}
      />
      {done !== null && <Result of={done} />}
      <Worst stats={stats} />
      <Panel
        id="list"
        title="Incidents"
        quietTitle
        live="incidents"
        {...(rows.length > 0 && {
          foot: (
            <Pager next={next} size={size}>
              An incident ends by itself when its cause does; acknowledging it says that somebody is at work.
            </Pager>
          ),
        })}
      >
        <TabsOf tab={tab} stats={stats} />
        <div class="panel-head">
          <span class="quiet">{shownOf(count(rows.length), count(shown), 'newest first')}</span>
        </div>
        <Choices tab={tab} />
        {ticks && rows.length > 0 && <PickActs tab={tab} />}
        <DataTable
          caption="Incidents"
          columns={columns}
          rows={rows}
          rowId={({ id }) => id}
          {...(ticks && {
            ticks: {
              form: 'pick',
              value: ({ id }: IncidentRow) => id,
              label: ({ incident_type: type, domain }: IncidentRow) => `Select ${incidentWords[type]} of ${domain}`,
            },
          })}
          empty={<Nothing tab={tab} />}
        />
      </Panel>
    </>
  );
};
