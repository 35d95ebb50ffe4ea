import type { Child, FC } from 'hono/jsx';
import type { AttentionItem, AttentionKind, ForWhom, Share } from '../../../lifecycle/attention.ts';
import { count } from '../format.ts';
import { ActionLink } from '../parts/forms.tsx';
import { Icon, type IconName } from '../parts/icons.tsx';
import { Panel } from '../parts/panel.tsx';
import type { Tone } from '../parts/state.tsx';
import { DataTable } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';

interface Look {
  readonly tone: Tone;
  readonly icon: IconName;
  /** The button: what to do about so many. */
  readonly act: (n: number) => string;
  /** What is said when all is well with it. */
  readonly well: string;
}

const domains = (n: number): string => (n === 1 ? 'See the domain' : `See ${count(n)} domains`);

const looks: Readonly<Record<AttentionKind, Look>> = {
  breach: { tone: 'tls_error', icon: 's-breach', act: domains, well: 'No renewal is late' },
  tls_error: { tone: 'tls_error', icon: 's-tls_error', act: domains, well: 'Clients accept every certificate' },
  queue: { tone: 'tls_error', icon: 'clock', act: () => 'See events', well: 'The queue moves' },
  dead_letters: { tone: 'tls_error', icon: 'dead', act: () => 'See dead letters', well: 'No event gave up' },
  drift: { tone: 'drift', icon: 's-drift', act: domains, well: 'Served is what was renewed' },
  silent_source: { tone: 'expiring', icon: 'silent', act: () => 'See the source', well: 'All sources report' },
  notices: { tone: 'expiring', icon: 'bell', act: (n) => `See ${count(n)} dead`, well: 'Notifications arrive' },
  spike: { tone: 'expiring', icon: 's-expiring', act: () => 'See events', well: 'No more failed tries than usual' },
  replay_loop: {
    tone: 'expiring',
    icon: 'replay',
    act: () => 'See dead letters',
    well: 'No replay goes round in circles',
  },
};

const shareText = (unit: ForWhom['unit'], { name, count: n }: Share): string => {
  const who = name ?? (unit === 'org' ? 'no organisation' : 'unknown');
  return `${who} ${count(n)}`;
};

const Whom: FC<{ of: ForWhom | null }> = ({ of }) => {
  if (of === null) return <span class="faint">–</span>;
  const { unit, shares, more } = of;
  const text = shares.map((share) => shareText(unit, share)).join(', ');
  return (
    <>
      <Quoted text={text} />
      {more > 0 && `, ${count(more)} more`}
    </>
  );
};

const What: FC<{ item: AttentionItem }> = ({ item }) => {
  const { tone, icon } = looks[item.kind];
  return (
    <div class={`what state-${tone}`}>
      <Icon name={icon} />
      <div>
        <strong>
          <Link to={item.link.list} params={item.link.query}>
            {item.title}
          </Link>
        </strong>
        {item.detail !== null && (
          <span class="sub">
            <Quoted text={item.detail} />
          </span>
        )}
      </div>
    </div>
  );
};

const Well: FC<{ of: readonly AttentionKind[]; all: boolean }> = ({ of, all }) => (
  <>
    {!all && <span>Also checked, nothing wrong:</span>}
    <ul class="ok-list">
      {of.map((kind) => (
        <li>
          <Icon name="check" />
          {looks[kind].well}
        </li>
      ))}
    </ul>
  </>
);

interface AttentionProps {
  readonly items: readonly AttentionItem[];
  readonly well: readonly AttentionKind[];
}

/** What is wrong, for whom, since when, what to do: worst first. Below, in one quiet line, what was checked and is well. */
export const AttentionPanel: FC<AttentionProps> = ({ items, well }) => {
  const foot: Child = well.length === 0 ? undefined : <Well of={well} all={items.length === 0} />;
  return (
    <Panel
      id="attention"
      title="Needs attention"
      quietTitle
      class="attention"
      live="domains events dead-letters notifications incidents replays"
      {...(foot !== undefined && { foot })}
    >
      {items.length > 0 && (
        <DataTable
          caption="What needs attention, worst first"
          look="flat"
          rows={items}
          rowId={(item) => `${item.kind} ${item.title}`}
          columns={[
            { name: 'What is wrong', kind: 'id', cell: (item) => <What item={item} /> },
            { name: 'For whom', width: 'l', cell: (item) => <Whom of={item.forWhom} /> },
            { name: 'Since', width: 's', cell: (item) => <Time at={item.since} as="since" /> },
            {
              name: 'What to do',
              kind: 'act',
              width: 'm',
              cell: (item) => (
                <ActionLink
                  to={item.link.list}
                  params={item.link.query}
                  small
                  look={item === items[0] && item.severity === 'critical' ? 'primary' : undefined}
                >
                  {looks[item.kind].act(item.count)}
                </ActionLink>
              ),
            },
          ]}
        />
      )}
    </Panel>
  );
};
