import type { FC } from 'hono/jsx';
import type { DomainRow } from '../../../db/domain-row.ts';
import type { DomainIncident } from '../../../db/domain-timeline.ts';
import { includesRole } from '../../../lifecycle/access.ts';
import { entriesOf, type History, timelineKinds, type TimelineKind } from '../domain-timeline.tsx';
import { type AddressRow, stoodInOrder, tallyOf } from '../domain-truth.ts';
import { type DomainVerdict, verdictOfDomain } from '../domain-verdict.ts';
import { count } from '../format.ts';
import { ChipLinks } from '../parts/filters.tsx';
import { ActionLink, PostButton } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Icon } from '../parts/icons.tsx';
import { Empty, FailedPanel, Notice, Panel, Verdict } from '../parts/panel.tsx';
import { Drift, Status } from '../parts/state.tsx';
import { Host, Link, Quoted, Time } from '../parts/text.tsx';
import { Timeline } from '../parts/timeline.tsx';
import { useView } from '../view.ts';
import { CertificatePanel, DeadlinesPanel, IncidentsPanel, OwnershipPanel } from './domain-facts.tsx';
import { TruthPanel } from './domain-truth-panel.tsx';

export interface DomainProps {
  readonly row: DomainRow;
  readonly addresses: readonly AddressRow[];
  /** Null where it could not be read. */
  readonly history: History | null;
  readonly show: TimelineKind;
  /** True right after somebody asked for a probe. */
  readonly probing: boolean;
}

const kindWords: Readonly<Record<TimelineKind, string>> = {
  all: 'All',
  events: 'Events',
  probes: 'Probes',
  incidents: 'Incidents',
  notifications: 'Notifications',
};
const mostEntries = 60;

const TimelinePanel: FC<Pick<DomainProps, 'row' | 'history' | 'show'>> = ({ row, history, show }) => {
  if (history === null) return <FailedPanel id="timeline" title="Timeline" what="the timeline" />;
  const all = entriesOf(history, show);
  const entries = all.slice(0, mostEntries);
  return (
    <Panel
      id="timeline"
      title="Timeline"
      about={`${count(entries.length)} latest, newest first`}
      live="domains events incidents notifications"
      foot={
        <span class="end">
          <Link to="events" params={{ domain: row.domain }}>
            All events of this domain
          </Link>
        </span>
      }
    >
      <ChipLinks
        label="Show"
        name="show"
        value={show}
        of={timelineKinds.map((value) => ({ value, text: kindWords[value] }))}
      />
      {entries.length === 0 ? (
        <Empty title="Nothing has happened yet">Events, probes, incidents and notifications appear here.</Empty>
      ) : (
        <Timeline of={entries} />
      )}
    </Panel>
  );
};

const DomainVerdictPart: FC<{ of: DomainVerdict; open: DomainIncident | undefined }> = ({ of, open }) => (
  <Verdict
    tone={of.tone}
    icon={of.icon}
    title={of.title}
    live="domains incidents"
    {...(open !== undefined && {
      actions: (
        <ActionLink
          to="incidents/some/ack"
          params={{ ids: open.id }}
          dialog
          needs="operator"
          look="primary"
          icon="person"
        >
          Acknowledge…
        </ActionLink>
      ),
    })}
  >
    {of.since !== null && (
      <>
        Since <Time at={of.since} as="since" />.{' '}
      </>
    )}
    {of.advice.join(' ')}
    {of.quote !== null && (
      <>
        {' '}
        “<Quoted text={of.quote} max={300} />”
      </>
    )}
  </Verdict>
);

const Actions: FC<{ row: DomainRow }> = ({ row }) => {
  const { actor } = useView();
  const path = `domains/${encodeURIComponent(row.domain)}`;
  return (
    <>
      <PostButton to={`${path}/probe`} needs="operator" icon="probe" busy="Asking…">
        Probe now
      </PostButton>
      {includesRole(actor.role, 'operator') && (
        <ActionLink to={`${path}/policy`} dialog needs="admin" icon="policy">
          Failure policy…
        </ActionLink>
      )}
    </>
  );
};

/** The tab's title: the verdict, then the name. */
export const domainTitle = ({ row, addresses }: Pick<DomainProps, 'row' | 'addresses'>, now: number): string => {
  const verdict = verdictOfDomain(row, tallyOf(stoodInOrder(row, addresses)), now);
  return `${verdict === null ? 'All is well' : verdict.title} · ${row.domain}`;
};

/** A domain: what is wrong, event truth beside served truth, its deadlines, its history, whose it is. */
export const DomainPage: FC<DomainProps> = (props) => {
  const { row, addresses, history, probing } = props;
  const { now } = useView();
  const stood = stoodInOrder(row, addresses);
  const verdict = verdictOfDomain(row, tallyOf(stood), now);
  const incidents = history?.incidents ?? [];
  return (
    <>
      <Head
        crumb={
          <>
            <Link to="domains">Domains</Link>
            {row.org_id !== null && (
              <>
                {' / '}
                <Quoted text={row.org_id} max={120} />
              </>
            )}
          </>
        }
        title={<Host name={row.domain} />}
        marks={
          <>
            {row.drift_state !== null && row.drift_state !== 'in_step' && <Drift of={row.drift_state} pill />}
            <Status of={row.tls_status} pill />
          </>
        }
        actions={<Actions row={row} />}
      />
      {probing && (
        <Notice tone="pending_issue" icon="s-pending_issue">
          A probe is on its way; what it finds appears here by itself.
        </Notice>
      )}
      {verdict === null ? (
        <p class="well" id="verdict" data-live="domains">
          <Icon name="check" />
          Nothing is wrong: what is served is what events told of.
        </p>
      ) : (
        <DomainVerdictPart of={verdict} open={incidents.find(({ status }) => status === 'open')} />
      )}
      <TruthPanel row={row} stood={stood} />
      <div class="grid grid-main">
        <div class="pile">
          <DeadlinesPanel row={row} />
          <TimelinePanel row={row} history={history} show={props.show} />
        </div>
        <div class="pile">
          <CertificatePanel row={row} addresses={addresses} />
          <OwnershipPanel row={row} />
          <IncidentsPanel incidents={incidents} />
        </div>
      </div>
    </>
  );
};
