import type { Child, FC } from 'hono/jsx';
import { dateText } from '../format.ts';
import { useView } from '../view.ts';
import { Icon, type IconName } from './icons.tsx';
import type { Tone } from './state.tsx';
import { Time } from './text.tsx';

/** Something that happened: what events say stands at the left, what probes saw at the right. */
export interface Entry {
  /** Names it over time, so that the script knows a new one. */
  readonly id: string;
  readonly at: Date;
  readonly lane: 'said' | 'saw';
  readonly tone: Tone;
  readonly icon: IconName;
  readonly text: Child;
  /** Lines below, each on its own. */
  readonly sub?: readonly Child[];
}

const laneNames = { said: 'Events:', saw: 'Probes:' } as const;

const Line: FC<{ entry: Entry; one: boolean }> = ({ entry, one }) => (
  <li class="lane" data-id={entry.id}>
    <Time at={entry.at} as="clock" />
    <span class={`node state-${entry.tone}`}>
      <Icon name={entry.icon} />
    </span>
    <div class={`entry ${entry.lane}`} data-lane={one ? undefined : laneNames[entry.lane]}>
      {entry.text}
      {(entry.sub ?? []).map((line) => (
        <span class="sub">{line}</span>
      ))}
    </div>
  </li>
);

const Day: FC<{ text: string }> = ({ text }) => (
  <li class="lane day">
    <span class="when">{text}</span>
    <span class="node" />
  </li>
);

/** What happened, newest first, under the names of the days. `one` puts everything into one lane. */
export const Timeline: FC<{ of: readonly Entry[]; one?: boolean }> = ({ of, one = false }) => {
  const { now, preferences } = useView();
  const dayOf = (at: number): string => dateText(at, preferences.zone);
  const today = dayOf(now);
  return (
    <>
      {!one && (
        <div class="lanes-head" aria-hidden="true">
          <span>{preferences.zone}</span>
          <span>What events say</span>
          <span>What probes saw</span>
        </div>
      )}
      <ol class={one ? 'timeline timeline-one' : 'timeline'}>
        {of.map((entry, index) => {
          const day = dayOf(entry.at.getTime());
          const before = of[index - 1];
          const fresh = before === undefined || dayOf(before.at.getTime()) !== day;
          return (
            <>
              {fresh && <Day text={day === today ? 'Today' : day} />}
              <Line entry={entry} one={one} />
            </>
          );
        })}
      </ol>
    </>
  );
};
