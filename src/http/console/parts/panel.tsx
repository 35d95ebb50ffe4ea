import type { Child, FC, PropsWithChildren } from 'hono/jsx';
import { useView } from '../view.ts';
import { Icon, type IconName } from './icons.tsx';
import type { Tone } from './state.tsx';
import { Link } from './text.tsx';

/** A part of the page that is fetched again when one of its topics changes; `id` is also the anchor. */
export interface LiveProps {
  /** Topics of the stream, apart by blanks: `domains events dead-letters notifications incidents sources replays audit`. */
  readonly live?: string | undefined;
}

interface PanelProps extends LiveProps {
  /** Names the panel in the page; its heading is `<id>-h`. */
  readonly id: string;
  readonly title: Child;
  /** The heading is there for assistive technology only. */
  readonly quietTitle?: boolean;
  /** One short line beside the title: a count, an explanation. */
  readonly about?: Child;
  /** Links at the right end of the head. */
  readonly more?: Child;
  readonly foot?: Child;
  /** Room around the content; tables need none. */
  readonly padded?: boolean;
  readonly class?: string;
}

/** A section of a page, named by its h2. */
export const Panel: FC<PropsWithChildren<PanelProps>> = (props) => {
  const { id, title, quietTitle = false, about, more, foot, padded = false, live, children } = props;
  const heading = (
    <h2 id={`${id}-h`} class={quietTitle ? 'sr' : undefined}>
      {title}
    </h2>
  );
  const headless = quietTitle && about === undefined && more === undefined;
  return (
    <section class={`panel ${props.class ?? ''}`.trim()} id={id} aria-labelledby={`${id}-h`} data-live={live}>
      {headless ? (
        heading
      ) : (
        <div class="panel-head">
          {heading}
          {about !== undefined && <span class="quiet">{about}</span>}
          {more !== undefined && <span class="more">{more}</span>}
        </div>
      )}
      {padded ? <div class="panel-body">{children}</div> : children}
      {foot !== undefined && <div class="panel-foot">{foot}</div>}
    </section>
  );
};

interface FailedProps {
  readonly id: string;
  readonly title: Child;
  /** What could not be read, as `source activity`. */
  readonly what: string;
}

/** In the place of a panel whose data could not be read; the rest of the page stands. */
export const FailedPanel: FC<FailedProps> = ({ id, title, what }) => {
  const { requestId } = useView();
  return (
    <Panel id={id} title={title} padded>
      <p class="state-tls_error failed" role="status">
        <Icon name="s-tls_error" />
        <span>
          Could not read {what}.{requestId === null ? '' : ` Request ${requestId}.`} <a href="">Try again</a>
        </span>
      </p>
    </Panel>
  );
};

interface VerdictProps extends LiveProps {
  readonly tone: Tone;
  readonly icon: IconName;
  readonly title: Child;
  readonly actions?: Child;
}

/** The sentence that says what is wrong, and beside it what to do; between the head and the first panel. */
export const Verdict: FC<PropsWithChildren<VerdictProps>> = ({ tone, icon, title, actions, live, children }) => (
  <section class={`verdict state-${tone}`} id="verdict" aria-labelledby="verdict-h" data-live={live}>
    <Icon name={icon} />
    <div>
      <h2 id="verdict-h">{title}</h2>
      {children !== undefined && <p>{children}</p>}
    </div>
    {actions !== undefined && <div class="actions">{actions}</div>}
  </section>
);

/** What a change came to, on the page it leads back to. */
export const Notice: FC<PropsWithChildren<{ tone?: Tone; icon?: IconName }>> = ({
  tone = 'issued',
  icon = 's-issued',
  children,
}) => (
  <div class={`notice state-${tone}`} role="status">
    <Icon name={icon} />
    <p>{children}</p>
  </div>
);

/** Where a list has nothing: what would be here, and what to do next. */
export const Empty: FC<PropsWithChildren<{ title: Child }>> = ({ title, children }) => (
  <div class="empty">
    <h3>{title}</h3>
    {children !== undefined && <p>{children}</p>}
  </div>
);

/** Names and values in two columns; an entry that is null is left out. */
export const Facts: FC<{ of: readonly (readonly [name: string, value: Child] | null)[] }> = ({ of }) => (
  <dl class="facts">
    {of.map((fact) =>
      fact === null ? null : (
        <>
          <dt>{fact[0]}</dt>
          <dd>{fact[1]}</dd>
        </>
      ),
    )}
  </dl>
);

/** Numbers with their names, side by side; `large` as in a plan, else small as under a chart. */
export const Sums: FC<{ of: readonly (readonly [name: string, value: Child])[]; large?: boolean }> = (props) => (
  <dl class={props.large === true ? 'sums' : 'minis'}>
    {props.of.map(([name, value]) => (
      <div>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);

interface Tab {
  readonly to: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly text: string;
  readonly count?: Child;
  readonly current: boolean;
}

/** Views of one list, each at its own address. */
export const Tabs: FC<{ label: string; of: readonly Tab[] }> = ({ label, of }) => (
  <nav class="tabs" aria-label={label}>
    {of.map(({ to, params = {}, text, count, current }) => (
      <Link to={to} params={params} current={current}>
        {text}
        {count}
      </Link>
    ))}
  </nav>
);
