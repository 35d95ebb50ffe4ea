import type { FC } from 'hono/jsx';
import type { ReplayView } from '../../replay-acts.ts';
import { count, counted, rate, span } from '../format.ts';
import { ActionLink, PostButton } from '../parts/forms.tsx';
import { ProgressBar, ProgressKey } from '../parts/progress.tsx';
import { Link, Quoted, Time } from '../parts/text.tsx';
import { takenWords } from '../replay-words.ts';
import { useView } from '../view.ts';

/** What is left of a replay in time, after its number: `, about 31 s at 2 a second`. */
export const leftWords = ({ state, eta_seconds: eta, rate_per_second: perSecond, waiting }: ReplayView): string => {
  const underway = waiting === 0 ? '' : `, ${count(waiting)} of them under way`;
  return state === 'running' && eta !== null && eta > 0
    ? `${underway}, about ${span(eta * 1000)} at ${rate(perSecond)} a second`
    : underway;
};

/** A replay's bar and its numbers in words. */
export const ReplayProgress: FC<{ replay: ReplayView }> = ({ replay }) => {
  const { id, applied: ok, failed_again: bad, skipped, total } = replay;
  const done = { ok, bad, skipped, total };
  return (
    <>
      <ProgressBar {...done} label={`Replay ${id}`} />
      <ProgressKey {...done} left={leftWords(replay)} skippedWhy="changed meanwhile" />
    </>
  );
};

/** Pause or go on, and cancel what is left. `back` is where the browser goes afterwards. */
export const ReplayButtons: FC<{ replay: ReplayView; back: string; small?: boolean }> = ({ replay, back, small }) => {
  const { id, state, left } = replay;
  if (state !== 'running' && state !== 'paused') return null;
  const look = { needs: 'operator', small: small ?? false, fields: { back } } as const;
  return (
    <>
      {state === 'running' ? (
        <PostButton to={`replays/${id}/pause`} icon="pause" busy="Pausing…" {...look}>
          Pause
        </PostButton>
      ) : (
        <PostButton to={`replays/${id}/resume`} icon="play" busy="Going on…" look="primary" {...look}>
          Go on
        </PostButton>
      )}
      {left > 0 && (
        <ActionLink to={`replays/${id}/cancel`} dialog needs="operator" small={small} icon="close">
          Cancel the rest…
        </ActionLink>
      )}
    </>
  );
};

const stateWords = {
  planned: 'planned',
  running: 'is running',
  paused: 'is paused',
  done: 'done',
  cancelled: 'cancelled',
} as const;

/** A replay that goes on, on top of the page it concerns. */
export const RunningPanel: FC<{ replay: ReplayView; back: string }> = ({ replay, back }) => {
  const { preferences } = useView();
  const { id, state, total, filter, facts, executed_by: by, reason, executed_at: at, paused_because: why } = replay;
  return (
    <section class="panel running" id={`replay-${id}`} aria-labelledby={`replay-${id}-h`} data-live="replays events">
      <div class="row">
        <h2 id={`replay-${id}-h`}>
          Replay {id} {stateWords[state]}
        </h2>
        <span class="quiet">
          {counted(total, 'event')}, <Quoted text={takenWords(filter, facts, preferences.zone)} max={160} />, by{' '}
          <Quoted text={by} max={80} />
          {reason !== null && (
            <>
              , <Quoted text={`“${reason}”`} max={120} />
            </>
          )}
          , since <Time at={at} as="since" />
          {why !== null && (
            <>
              . Paused by itself: <Quoted text={why} />
            </>
          )}
        </span>
        <span class="end">
          <Link to={`replays/${id}`} class="btn btn-small">
            Details
          </Link>
          <ReplayButtons replay={replay} back={back} small />
        </span>
      </div>
      <ReplayProgress replay={replay} />
    </section>
  );
};
