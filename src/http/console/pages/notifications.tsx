import type { FC } from 'hono/jsx';
import type { BrokenChannel, DeliveryDay, NotificationStats } from '../../../db/notification-counts.ts';
import { mostOfADay } from '../../../db/notification-counts.ts';
import type { NotificationRow } from '../../../db/notification-reads.ts';
import { count, counted, latency } from '../format.ts';
import { ActionLink, PostButton, Submit } from '../parts/forms.tsx';
import { Head } from '../parts/frame.tsx';
import { Empty, Panel, Tabs, Verdict } from '../parts/panel.tsx';
import { CsvButton, Done, PickBar } from '../parts/pick.tsx';
import { Count } from '../parts/state.tsx';
import { type Column, DataTable, Pager, shownOf } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { useView } from '../view.ts';
import { filterNames, filtersOf, NotificationFilters } from './notification-filters.tsx';
import { LastError, NoticeState, NoticeTries, Subject } from './notification-parts.tsx';

interface NotificationsProps {
  readonly rows: readonly NotificationRow[];
  readonly next: string | null;
  readonly size: number;
  /** By status, of all that the other filters let through. */
  readonly stats: NotificationStats;
  /** Counting stopped there: where the sum is as much, it may be more. */
  readonly most: number;
  readonly broken: readonly BrokenChannel[];
  readonly channels: readonly string[];
  readonly day: DeliveryDay | null;
  /** How many the act before this page made pending again. */
  readonly requeued: number | null;
}

const dayMs = 86_400_000;

const totalOf = ({ pending, failed, sent, dead }: NotificationStats): number => pending + failed + sent + dead;
const upTo = (n: number, most: number): string => (n >= most ? `${count(most - 1)}+` : count(n));

const BrokenVerdict: FC<{ of: readonly BrokenChannel[] }> = ({ of }) => {
  const { now } = useView();
  const [worst, ...others] = of;
  if (worst === undefined) return null;
  const { channel, dead, critical, since, error } = worst;
  const today = now - since < dayMs;
  return (
    <Verdict
      tone="tls_error"
      icon="s-tls_error"
      live="notifications"
      title={
        <>
          Channel “<Quoted text={channel} max={63} />” takes nothing since{' '}
          <Time at={since} as={today ? 'clock' : 'date'} />
        </>
      }
      actions={
        <ActionLink to="notifications/some/requeue" params={{ status: 'dead', channel }} dialog needs="operator">
          Requeue {count(dead)}…
        </ActionLink>
      }
    >
      {counted(dead, 'notification')}
      {critical > 0 && `, ${count(critical)} of them critical`}: <Quoted text={error} max={160} />. Correct the
      channel’s settings, then requeue.
      {others.length > 0 && ' The same holds for '}
      {others.map((other, index) => (
        <>
          {index > 0 && ', '}
          <Link to="notifications" params={{ status: 'dead', channel: other.channel }}>
            <Quoted text={other.channel} max={63} />
          </Link>{' '}
          ({count(other.dead)})
        </>
      ))}
      {others.length > 0 && '.'}
    </Verdict>
  );
};

const About: FC<{ day: DeliveryDay | null }> = ({ day }) => {
  if (day === null) return null;
  if (day.decided === 0) return <>Nothing was to be sent in the last 24 hours.</>;
  const { sent, decided, dead, halfWithinMs } = day;
  const latest = decided >= mostOfADay ? `the latest ${count(mostOfADay)}` : count(decided);
  return (
    <>
      {count(sent)} of {latest} delivered in the last 24 hours
      {halfWithinMs !== null && `, half within ${latency(halfWithinMs)}`}. {dead === 0 ? 'None' : count(dead)} gave up.
    </>
  );
};

const Message: FC<{ of: NotificationRow }> = ({ of }) => (
  <>
    <Link to={`notifications/${of.id}`}>
      {of.action === 'resolve' && 'Over: '}
      <Quoted text={of.summary} max={240} />
    </Link>
    <span class="sub">
      <Subject of={of} />
      {of.kind === 'runbook' && ', runbook'}
    </span>
  </>
);

const RowAct: FC<{ of: NotificationRow }> = ({ of: { id, status } }) => {
  if (status === 'dead')
    return (
      <ActionLink to="notifications/some/requeue" params={{ ids: id }} dialog small needs="operator">
        Requeue…
      </ActionLink>
    );
  if (status !== 'failed') return null;
  return (
    <PostButton to={`notifications/${id}/requeue`} small needs="operator" busy="Trying…">
      Try now
    </PostButton>
  );
};

const columnsOf = (tab: 'all' | 'dead'): Column<NotificationRow>[] => [
  ...(tab === 'all'
    ? [
        {
          name: 'Status',
          width: 's' as const,
          cell: ({ status }: NotificationRow) => <NoticeState of={status} />,
        },
      ]
    : []),
  { name: 'Message', kind: 'id', cell: (row) => <Message of={row} /> },
  { name: 'Channel', width: 'm', cell: ({ channel }) => <Quoted text={channel} max={63} /> },
  { name: 'Tries', width: 'm', cell: (row) => <NoticeTries of={row} /> },
  { name: 'Last error', kind: 'err', cell: (row) => <LastError of={row} /> },
  {
    name: tab === 'dead' ? 'Died' : 'When',
    width: 's',
    cell: ({ created_at, updated_at }) => <Time at={tab === 'dead' ? updated_at : created_at} />,
  },
  { name: 'Actions', kind: 'act', cell: (row) => <RowAct of={row} /> },
];

const Nothing: FC<{ tab: 'all' | 'dead'; filtered: boolean }> = ({ tab, filtered }) => {
  if (filtered)
    return (
      <Empty title="No notification matches these filters">
        <Link to="notifications" params={tab === 'dead' ? { status: 'dead' } : {}}>
          Remove the filters
        </Link>{' '}
        to see all of them.
      </Empty>
    );
  if (tab === 'dead')
    return <Empty title="No dead notifications">Every message reached its receiver, or is still tried.</Empty>;
  return (
    <Empty title="Nothing was to be sent yet">
      Channels and whom each is told of are set in <code>CERT_NOTIFY_CHANNELS</code>.
    </Empty>
  );
};

const TabsOf: FC<NotificationsProps & { tab: 'all' | 'dead' }> = ({ tab, stats, most }) => {
  const { query } = useView();
  const params = Object.fromEntries(
    Object.entries(filtersOf(query)).flatMap(([name, value]) =>
      value === null || value === undefined ? [] : [[name, String(value)]],
    ),
  );
  const { dead } = stats;
  return (
    <Tabs
      label="Notifications"
      of={[
        {
          to: 'notifications',
          params,
          text: 'All',
          count: <Count>{upTo(totalOf(stats), most)}</Count>,
          current: tab === 'all',
        },
        {
          to: 'notifications',
          params: { ...params, status: 'dead' },
          text: 'Dead letter',
          count: <Count bad={dead > 0}>{upTo(dead, most)}</Count>,
          current: tab === 'dead',
        },
      ]}
    />
  );
};

const DeadBar: FC<{ dead: number; most: number }> = ({ dead, most }) => {
  const { query } = useView();
  return (
    <PickBar form="pick" to="notifications/some/requeue">
      <ActionLink
        to="notifications/some/requeue"
        params={{ status: 'dead', ...filtersOf(query) }}
        dialog
        small
        needs="operator"
      >
        Requeue all {upTo(dead, most)} that match…
      </ActionLink>
      <Submit look="primary" small icon="replay" needs="operator" data-some>
        Requeue selected…
      </Submit>
    </PickBar>
  );
};

/** The verdict of the page in a few words, for the browser's tab. */
export const notificationsTitle = ({ broken, stats }: Pick<NotificationsProps, 'broken' | 'stats'>): string => {
  const [worst] = broken;
  if (worst !== undefined) return `Channel ${worst.channel} takes nothing`;
  return stats.dead > 0 ? counted(stats.dead, 'dead notification') : 'Notifications';
};

/** The outbox: all notifications, or those that gave up. */
export const NotificationsPage: FC<NotificationsProps> = (props) => {
  const { rows, next, size, stats, most, broken, channels, day, requeued } = props;
  const { query } = useView();
  const status = query.get('status') ?? '';
  const tab = status === 'dead' ? 'dead' : 'all';
  const shown = status in stats ? stats[status as keyof NotificationStats] : totalOf(stats);
  const filtered = [...filterNames, ...(tab === 'all' ? ['status'] : [])].some(
    (name) => (query.get(name) ?? '') !== '',
  );
  return (
    <>
      <Head title="Notifications" about={<About day={day} />} actions={<CsvButton to="notifications.csv" />} />
      {requeued !== null && (
        <Done>
          {counted(requeued, 'notification is', 'notifications are')} pending again, with all tries before{' '}
          {requeued === 1 ? 'it' : 'them'}.
        </Done>
      )}
      <BrokenVerdict of={broken} />
      <Panel
        id="list"
        title={tab === 'dead' ? 'Dead notifications' : 'All notifications'}
        quietTitle
        live="notifications"
        {...(rows.length > 0 && {
          foot: (
            <Pager next={next} size={size}>
              {tab === 'dead'
                ? 'Dead after 5 tries, or at once when the receiver says it will never accept.'
                : 'Each message keeps one id over all its tries, so receivers can drop repeats.'}
            </Pager>
          ),
        })}
      >
        <TabsOf {...props} tab={tab} />
        <div class="panel-head">
          <span class="quiet">{shownOf(count(rows.length), upTo(shown, most), 'newest first')}</span>
        </div>
        <NotificationFilters tab={tab} channels={channels} />
        {tab === 'dead' && rows.length > 0 && <DeadBar dead={stats.dead} most={most} />}
        <DataTable
          caption={tab === 'dead' ? 'Dead notifications' : 'Notifications'}
          columns={columnsOf(tab)}
          rows={rows}
          rowId={({ id }) => id}
          {...(tab === 'dead' && {
            ticks: {
              form: 'pick',
              value: ({ id }: NotificationRow) => id,
              label: ({ summary, domain }: NotificationRow) =>
                `Select ${summary}${domain === null ? '' : ` for ${domain}`}`,
            },
          })}
          empty={<Nothing tab={tab} filtered={filtered} />}
        />
      </Panel>
    </>
  );
};
