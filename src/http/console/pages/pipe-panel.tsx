import type { FC } from 'hono/jsx';
import type { PipeRates, PipeStep } from '../../../lifecycle/activity.ts';
import type { Overview } from '../../overview.ts';
import { clockText, count, latency, rate } from '../format.ts';
import { LineChart } from '../parts/charts.tsx';
import { Panel, Sums } from '../parts/panel.tsx';
import { Link, Time } from '../parts/text.tsx';
import { useView } from '../view.ts';

const hourMs = 3_600_000;

const seconds = (value: number | null): string => latency(value === null ? null : value * 1000);

const RateChart: FC<{ now: PipeRates; day: readonly PipeStep[]; axis: readonly string[] }> = ({ now, day, axis }) => (
  <LineChart
    title={
      <>
        <strong>{rate(now.acceptedPerSecond)}</strong> accepted and <strong>{rate(now.appliedPerSecond)}</strong>{' '}
        applied a second
      </>
    }
    lines={[
      { name: 'accepted', values: day.map(({ acceptedPerSecond }) => acceptedPerSecond), tone: 'a' },
      { name: 'applied', values: day.map(({ appliedPerSecond }) => appliedPerSecond), tone: 'b', dashed: true },
    ]}
    axis={axis}
  />
);

const LatencyChart: FC<{ now: PipeRates; day: readonly PipeStep[]; axis: readonly string[] }> = ({
  now,
  day,
  axis,
}) => (
  <LineChart
    title={
      now.applyP50 === null ? (
        'Nothing was applied in the last minutes'
      ) : (
        <>
          <strong>{seconds(now.applyP50)}</strong> half, <strong>{seconds(now.applyP99)}</strong> 99 % from commit to
          applied
        </>
      )
    }
    lines={[
      { name: 'p50', values: day.map(({ applyP50 }) => applyP50), tone: 'a' },
      { name: 'p99', values: day.map(({ applyP99 }) => applyP99), tone: 'c', dashed: true },
    ]}
    axis={axis}
  />
);

/** Rates and latency over a day; nothing for whoever sees one organisation only. */
export const PipePanel: FC<{ overview: Overview }> = ({ overview }) => {
  const { now: at, preferences } = useView();
  const { now, day, events } = overview;
  if (now === null || day === null) return null;
  const hours = [24, 18, 12, 6].map((back) => clockText(at - back * hourMs, preferences.zone));
  const axis = [...hours, 'now'];
  return (
    <Panel
      id="pipe"
      title="Pipeline, last 24 hours"
      more={<Link to="events">Events</Link>}
      padded
      live="events dead-letters"
    >
      <div class="pile">
        <RateChart {...{ now, day, axis }} />
        <LatencyChart {...{ now, day, axis }} />
        <Sums
          of={[
            [
              'Pending',
              <Link to="events" params={{ status: 'pending' }}>
                {count(events.pending)}
              </Link>,
            ],
            ['Oldest pending', <Time at={events.oldestPendingAt} as="since" />],
            ['Retrying', count(events.retrying)],
            ['Dead letters', <Link to="dead-letters">{count(events.failed)}</Link>],
          ]}
        />
      </div>
    </Panel>
  );
};
