import type { FC } from 'hono/jsx';
import type { RetentionState } from '../../../db/retention.ts';
import type { RetentionName } from '../../../lifecycle/retention.ts';
import { count } from '../format.ts';
import { FailedPanel, Panel } from '../parts/panel.tsx';
import { DataTable } from '../parts/table.tsx';
import { Time } from '../parts/text.tsx';

const words: Readonly<Partial<Record<RetentionName, string>>> = {
  events: 'Events, applied and outdated',
  identities: 'Identities of removed events',
  notifications: 'Notifications, sent or given up',
  observations: 'What looks found',
  incidents: 'Incidents, resolved',
  replays: 'Replays that are over',
};

export interface RetentionProps {
  /** Null when it could not be read. */
  readonly retention: {
    /** Days by table; what is kept for ever is left out. */
    readonly days: ReadonlyMap<RetentionName, number>;
    readonly states: readonly RetentionState[];
  } | null;
}

const rowsOf = ({ days, states }: NonNullable<RetentionProps['retention']>) =>
  Object.entries(words).map(([name, what]) => {
    const its = states.filter((state) => state.name === name || (name === 'events' && state.name === 'noted_events'));
    const age = [...days].find(([of]) => of === name)?.[1];
    return {
      what,
      age: age === undefined ? 'for ever' : `${Number(age.toFixed(4))} days`,
      removed: its.reduce((sum, { removed }) => sum + removed, 0),
      roundAt: states.find((state) => state.name === name)?.roundAt ?? null,
    };
  });

/** How long things are kept, and what has been removed since. */
export const Retention: FC<RetentionProps> = ({ retention }) =>
  retention === null ? (
    <FailedPanel id="retention" title="Retention" what="what retention did" />
  ) : (
    <Panel id="retention" title="Retention" about="the audit log and dead letters are kept for ever">
      <DataTable
        caption="How long things are kept"
        look="tight flat"
        rows={rowsOf(retention)}
        columns={[
          { name: 'What', kind: 'id', cell: ({ what }) => what },
          { name: 'Kept', cell: ({ age }) => age },
          { name: 'Removed', kind: 'num', cell: ({ removed }) => count(removed) },
          { name: 'Last round', cell: ({ roundAt }) => <Time at={roundAt} /> },
        ]}
      />
    </Panel>
  );
