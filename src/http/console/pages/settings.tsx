import type { Child, FC } from 'hono/jsx';
import type { Origin, Setting } from '../../../config.ts';
import type { NotificationStats } from '../../../db/notification-counts.ts';
import type { PolicyReport } from '../../../lifecycle/policy-report.ts';
import { count, counted } from '../format.ts';
import { Head } from '../parts/frame.tsx';
import { Icon } from '../parts/icons.tsx';
import { Empty, Facts, FailedPanel, Panel } from '../parts/panel.tsx';
import { Outcome } from '../parts/state.tsx';
import { DataTable } from '../parts/table.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import type { findingsOf } from '../settings-findings.ts';
import { Retention, type RetentionProps } from './retention-panel.tsx';

/** A channel of the configuration; `settings` is its kind alone. */
export interface ShownChannel {
  readonly name: string;
  readonly type: string;
  /** How many routes lead to it. */
  readonly routes: number;
  readonly stats: NotificationStats;
}

interface SettingsProps extends RetentionProps {
  readonly settings: readonly Setting[];
  readonly findings: ReturnType<typeof findingsOf>;
  readonly channels: readonly ShownChannel[] | null;
  readonly policy: {
    readonly enabled: boolean;
    readonly dryRun: boolean;
    readonly report: PolicyReport | null;
  };
  readonly backend: string;
}

const Findings: FC<Pick<SettingsProps, 'findings'>> = ({ findings: { wrong, well } }) => (
  <Panel
    id="findings"
    title="Findings"
    about={wrong.length === 0 ? 'nothing to mend' : counted(wrong.length, 'thing', 'things')}
    class="attention"
    foot={
      <ul class="ok-list">
        {well.map((text) => (
          <li>
            <Icon name="check" />
            {text}
          </li>
        ))}
      </ul>
    }
  >
    {wrong.length > 0 && (
      <DataTable
        caption="Findings, worst first"
        look="flat"
        rows={wrong}
        columns={[
          {
            name: 'What',
            kind: 'id',
            cell: ({ level, title, text }) => (
              <div class={`what state-${level === 'bad' ? 'tls_error' : 'expiring'}`}>
                <Icon name={level === 'bad' ? 's-tls_error' : 's-expiring'} />
                <div>
                  <strong>{title}</strong>
                  <span class="sub">{text}</span>
                </div>
              </div>
            ),
          },
        ]}
      />
    )}
  </Panel>
);

const Channels: FC<Pick<SettingsProps, 'channels'>> = ({ channels }) => {
  if (channels === null) return <FailedPanel id="channels" title="Channels" what="the channels" />;
  return (
    <Panel
      id="channels"
      title="Channels"
      about={counted(channels.length, 'channel')}
      more={<Link to="notifications">Notifications</Link>}
      live="notifications"
    >
      <DataTable
        caption="Channels"
        look="tight flat"
        rows={channels}
        empty={
          <Empty title="No channel is set">
            Name them in <code>CERT_NOTIFY_CHANNELS</code>; see docs/notifications.md.
          </Empty>
        }
        columns={[
          {
            name: 'Channel',
            kind: 'id',
            cell: ({ name }) => (
              <Link to="notifications" params={{ channel: name }}>
                <Quoted text={name} max={63} />
              </Link>
            ),
          },
          { name: 'Kind', cell: ({ type }) => type },
          { name: 'Routes', kind: 'num', cell: ({ routes }) => count(routes) },
          { name: 'Sent', kind: 'num', cell: ({ stats }) => count(stats.sent) },
          {
            name: 'Dead',
            kind: 'num',
            cell: ({ stats: { dead } }) => (dead === 0 ? '0' : <Outcome of="bad">{count(dead)}</Outcome>),
          },
        ]}
      />
    </Panel>
  );
};

const sumOf = (numbers: PolicyReport['replayed']): number => Object.values(numbers).reduce((sum, n) => sum + n, 0);

const Policy: FC<Pick<SettingsProps, 'policy'>> = ({ policy: { enabled, dryRun, report } }) => {
  const state: Child = !enabled ? (
    <Outcome of="none">off: people replay</Outcome>
  ) : dryRun ? (
    <Outcome of="wait">dry run: reports only</Outcome>
  ) : (
    <Outcome of="ok">on</Outcome>
  );
  return (
    <Panel id="policy" title="Replay policy" more={<Link to="dead-letters">Dead letters</Link>} padded>
      <Facts
        of={[
          ['State', state],
          ['Last run', <Time at={report?.at} />],
          report === null ? null : ['Dead letters seen', count(report.events)],
          report === null
            ? null
            : [report.mode === 'on' ? 'Replayed' : 'Would be replayed', count(sumOf(report.replayed))],
          report === null ? null : ['Waiting', counted(report.waiting.length, 'group')],
          report === null ? null : ['Told to people', counted(report.escalations.length, 'group')],
        ]}
      />
    </Panel>
  );
};

const origins: Readonly<Record<Origin, string>> = {
  environment: 'environment',
  file: 'file',
  default: 'default',
  generated: 'generated',
  unset: 'not set',
};

const Value: FC<{ of: Setting }> = ({ of: { origin, text, secret } }) => {
  if (origin === 'unset') return <span class="faint">not set</span>;
  if (secret) return <span>set, not shown</span>;
  return text === null ? (
    <span>set</span>
  ) : (
    <code>
      <Quoted text={text} max={500} />
    </code>
  );
};

const Variables: FC<Pick<SettingsProps, 'settings'>> = ({ settings }) => (
  <Panel
    id="variables"
    title="Variables"
    about={`${counted(settings.length, 'variable')}, ${count(settings.filter(({ origin }) => origin !== 'default' && origin !== 'unset').length)} of them set; read at start`}
  >
    <DataTable
      caption="Variables"
      rows={settings}
      rowId={({ name }) => name}
      columns={[
        {
          name: 'Variable',
          kind: 'id',
          cell: ({ name, about }) => (
            <>
              <code>{name}</code>
              <span class="sub">{about}</span>
            </>
          ),
        },
        { name: 'Value', kind: 'err', width: 'l', cell: (setting) => <Value of={setting} /> },
        {
          name: 'From',
          width: 's',
          cell: ({ origin, name }) => (origin === 'file' ? <code>{`${name}_FILE`}</code> : origins[origin]),
        },
      ]}
    />
  </Panel>
);

/** The verdict of the page. */
export const settingsTitle = ({ findings: { wrong } }: Pick<SettingsProps, 'findings'>): string =>
  wrong.length === 0 ? 'Settings' : `${counted(wrong.length, 'finding')} in the settings`;

/** The configuration as it is read, without its secrets; nothing can be changed here. */
export const SettingsPage: FC<SettingsProps> = (props) => (
  <>
    <Head
      title="Settings"
      about={`Read from the environment at start, changed there and nowhere else. Queues live in ${props.backend === 'redis' ? 'Redis' : 'PostgreSQL'}.`}
    />
    <Findings {...props} />
    <div class="grid grid-2">
      <Channels {...props} />
      <Policy {...props} />
    </div>
    <Retention {...props} />
    <Variables {...props} />
  </>
);
