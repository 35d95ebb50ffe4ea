import type { FC, PropsWithChildren } from 'hono/jsx';
import { displayText } from '../../../lifecycle/display-text.ts';
import {
  clockText,
  dateText,
  dueText,
  exactText,
  relativeText,
  shortFingerprint,
  sinceText,
  wrapPieces,
} from '../format.ts';
import { href, type Params, useView } from '../view.ts';

type Moment = Date | number | null | undefined;

const epochOf = (at: Date | number): number => (typeof at === 'number' ? at : at.getTime());

const texts = {
  relative: relativeText,
  since: sinceText,
  due: (at: number, now: number) => dueText(at, now),
  clock: (at: number, _now: number, zone: string) => clockText(at, zone),
  date: (at: number, _now: number, zone: string) => dateText(at, zone),
  exact: (at: number, _now: number, zone: string) => exactText(at, zone),
};

/**
 * A time: relative (`4 h ago`), as a length (`since`: `4 h`), as a deadline (`due`: `6 d overdue`), on the clock, as a date or exact; always with the exact time
 * behind it. `–` where there is none. The script keeps `relative` and `since` fresh.
 */
export const Time: FC<{ at: Moment; as?: keyof typeof texts }> = ({ at, as = 'relative' }) => {
  const { now, preferences } = useView();
  if (at === null || at === undefined) return <span class="faint">–</span>;
  const epoch = epochOf(at);
  const fresh = as === 'relative' || as === 'since' || as === 'due';
  return (
    <time
      datetime={new Date(epoch).toISOString()}
      title={as === 'exact' ? undefined : exactText(epoch, preferences.zone)}
      data-as={fresh ? as : undefined}
    >
      {texts[as](epoch, now, preferences.zone)}
    </time>
  );
};

/** Text from outside: control and bidi characters become blanks, at most `max` characters are shown. */
export const Quoted: FC<{ text: string | null | undefined; max?: number }> = ({ text, max = 400 }) => (
  <>{text === null || text === undefined || text === '' ? '–' : displayText(text, max)}</>
);

/** A host name that may wrap after each dot and dash. */
export const Host: FC<{ name: string }> = ({ name }) => (
  <>
    {wrapPieces(displayText(name, 300)).map((piece, index) => (
      <>
        {index > 0 && <wbr />}
        {piece}
      </>
    ))}
  </>
);

/** A host name that leads to its page; to a list of one name where it is not registered. */
export const DomainLink: FC<{ name: string }> = ({ name }) => (
  <Link to={`domains/${encodeURIComponent(name)}`}>
    <Host name={name} />
  </Link>
);

interface LinkProps {
  readonly to: string;
  readonly params?: Params;
  readonly class?: string;
  readonly label?: string;
  readonly current?: boolean;
}

/** A link within the console: `to` without `/console/`. */
export const Link: FC<PropsWithChildren<LinkProps>> = ({ to, params, label, current, children, class: name }) => (
  <a
    href={href(useView(), to, params)}
    class={name}
    aria-label={label}
    aria-current={current === true ? 'page' : undefined}
  >
    {children}
  </a>
);

/** A fingerprint or another reference, short in lists; whole it can wrap and be copied. */
export const Fingerprint: FC<{ of: string | null; whole?: boolean }> = ({ of, whole = false }) => {
  if (of === null) return <span class="faint">–</span>;
  const text = displayText(of, 300);
  if (!whole)
    return (
      <span class="fp" title={text}>
        {shortFingerprint(text)}
      </span>
    );
  return (
    <span class="copyable">
      <code>{text}</code>
      <button class="btn btn-quiet btn-small" type="button" data-copy={text} hidden>
        Copy
      </button>
    </span>
  );
};
