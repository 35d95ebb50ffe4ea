import type { FC } from 'hono/jsx';
import type { DeadLetterFilter, DeadLetterGroup } from '../../../db/dead-letters.ts';
import { type EscalationClass, escalationClassOf } from '../../../lifecycle/escalation.ts';
import type { PolicyReport } from '../../../lifecycle/policy-report.ts';
import { count, counted, shortId } from '../format.ts';
import { Bars } from '../parts/charts.tsx';
import { ActionLink, PostButton } from '../parts/forms.tsx';
import { Icon, type IconName } from '../parts/icons.tsx';
import { type Column, DataTable } from '../parts/table.tsx';
import { Host, Link, Quoted, Time } from '../parts/text.tsx';
import { planFields } from '../replay-words.ts';
import { samePage, useView } from '../view.ts';
import { errorClassWords } from '../words.ts';

interface GroupsProps {
  readonly groups: readonly DeadLetterGroup[];
  /** Domains of the oldest events of the first group. */
  readonly names: ReadonlyMap<string, string>;
  readonly filter: DeadLetterFilter;
  readonly report: PolicyReport | null;
  readonly maxReplays: number;
}

interface Kind {
  readonly tone: 'expiring' | 'pending_route' | 'tls_error';
  readonly icon: IconName;
  readonly remedy: string;
}

const unresolved: Kind = {
  tone: 'pending_route',
  icon: 's-pending_route',
  remedy: 'Applied by itself once the domain is registered.',
};

const kinds: Readonly<Record<EscalationClass, Kind>> = {
  dependency: {
    tone: 'expiring',
    icon: 's-expiring',
    remedy: 'Something outside did not answer. Replay once it is well again.',
  },
  transient: { tone: 'expiring', icon: 's-expiring', remedy: 'A fault that passes. Safe to replay.' },
  data: { tone: 'tls_error', icon: 's-tls_error', remedy: 'Cannot succeed as sent. Mend the sender.' },
  exhausted: { tone: 'tls_error', icon: 's-breach', remedy: 'Replayed as often as the policy may, and failed again.' },
};

const kindOf = ({ error_class: errorClass, pattern, events, replayed_before: before }: DeadLetterGroup): Kind =>
  errorClass === 'unresolved'
    ? unresolved
    : kinds[escalationClassOf({ errorClass, pattern, replays: before === events ? 1 : 0 }, Infinity)];

/** What the policy made of a group when it last ran. */
const judged = (report: PolicyReport | null, fingerprint: string): string | null => {
  const told = report?.escalations.find((one) => one.fingerprint === fingerprint);
  if (told !== undefined) return `Policy opened a ${told.route}: ${told.reason}.`;
  const left = report?.waiting.find((one) => one.fingerprint === fingerprint);
  return left === undefined || left.errorClass === 'unresolved' ? null : `Policy waits: ${left.reason}.`;
};

const Cause: FC<{ group: DeadLetterGroup; report: PolicyReport | null }> = ({ group, report }) => {
  const { tone, icon, remedy } = kindOf(group);
  const view = useView();
  const policy = judged(report, group.fingerprint);
  return (
    <div class={`what state-${tone}`}>
      <Icon name={icon} />
      <div>
        <strong>{errorClassWords[group.error_class]}</strong>{' '}
        <a href={samePage(view, { fingerprint: group.fingerprint, groups: null })}>
          <code>
            <Quoted text={group.pattern} max={200} />
          </code>
        </a>
        <span class="sub">
          {remedy}
          {policy !== null && ` ${policy}`}
        </span>
      </div>
    </div>
  );
};

const From: FC<{ group: DeadLetterGroup }> = ({ group: { sources, first_sources: first } }) => {
  const [one] = first;
  if (sources !== 1 || one === undefined) return <span class="nowrap">{counted(sources, 'source')}</span>;
  return <Quoted text={one.cluster_id === null ? one.source : `${one.source}:${one.cluster_id}`} max={120} />;
};

const Act: FC<{ group: DeadLetterGroup; filter: DeadLetterFilter; primary: boolean }> = (props) => {
  const { group, filter, primary } = props;
  if (group.error_class === 'unresolved')
    return (
      <ActionLink to="dead-letters/register" params={{ fingerprint: group.fingerprint }} dialog needs="admin" small>
        Register…
      </ActionLink>
    );
  const fields = planFields({ ...filter, status: 'failed', fingerprint: group.fingerprint });
  return (
    <PostButton
      to="replays/plan"
      fields={fields}
      needs="operator"
      small
      icon="replay"
      busy="Planning…"
      look={primary ? 'primary' : undefined}
    >
      Plan {count(group.events)}…
    </PostButton>
  );
};

const Oldest: FC<{ group: DeadLetterGroup; names: ReadonlyMap<string, string> }> = ({ group, names }) => {
  const view = useView();
  const { oldest, events, fingerprint } = group;
  return (
    <p>
      <span class="quiet">
        {oldest.length === 1 ? 'The one event:' : `Oldest ${oldest.length} of ${count(events)}:`}
      </span>{' '}
      {oldest.map((id, index) => (
        <>
          {index > 0 && ' · '}
          <Link to={`events/${id}`}>
            <code>{shortId(id)}</code>
          </Link>{' '}
          <Host name={names.get(id) ?? ''} />
        </>
      ))}
      {view.query.get('fingerprint') !== fingerprint && (
        <>
          {' · '}
          <a href={samePage(view, { fingerprint, groups: null })}>all {count(events)}</a>
        </>
      )}
    </p>
  );
};

const replayable = ({ error_class: errorClass }: DeadLetterGroup): boolean => errorClass === 'internal';

/** Dead letters by cause, the largest group first: what is wrong, for how many, from whom, since when, what to do. */
export const GroupTable: FC<GroupsProps> = ({ groups, names, filter, report }) => {
  const first = groups.find(replayable) ?? null;
  const columns: readonly Column<DeadLetterGroup>[] = [
    { name: 'Error', kind: 'id', cell: (group) => <Cause group={group} report={report} /> },
    { name: 'Events', kind: 'num', cell: ({ events }) => count(events) },
    { name: 'Domains', kind: 'num', cell: ({ domains }) => count(domains) },
    { name: 'From', width: 'm', cell: (group) => <From group={group} /> },
    { name: 'Last 24 h', cell: ({ hours }) => <Bars values={hours} /> },
    {
      name: 'Since',
      width: 's',
      cell: ({ first_failed_at: since, last_failed_at: last }) => (
        <>
          <Time at={since} as="since" />
          <span class="nowrap sub">
            last <Time at={last} />
          </span>
        </>
      ),
    },
    { name: 'Actions', kind: 'act', cell: (group) => <Act group={group} filter={filter} primary={group === first} /> },
  ];
  return (
    <DataTable
      caption="Dead letters by error"
      columns={columns}
      rows={groups}
      rowId={({ fingerprint }) => fingerprint}
      detail={(group) => (group === groups[0] ? <Oldest group={group} names={names} /> : null)}
    />
  );
};
