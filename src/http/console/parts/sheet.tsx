import type { Child, FC, PropsWithChildren } from 'hono/jsx';
import { href, type Params, useView } from '../view.ts';
import { Icon } from './icons.tsx';

interface SheetProps {
  /** The act with its number: `Replay 11,904 events`. */
  readonly title: Child;
  readonly about?: Child;
  /** Where the form is posted; without it the sheet only shows something. */
  readonly action?: string;
  /** The page to go back to, and the words for it: `Cancel`, `Keep standard`. */
  readonly back: { readonly to: string; readonly params?: Params; readonly text?: string };
  /** The button that acts, at the right end; a `Submit`. */
  readonly act?: Child;
  /** One short line at the left of the buttons. */
  readonly hint?: Child;
  /** Names and values the form carries along. */
  readonly fields?: Readonly<Record<string, string>>;
}

const Inside: FC<PropsWithChildren<SheetProps>> = ({ title, about, back, act, hint, fields = {}, children }) => {
  const away = href(useView(), back.to, back.params);
  return (
    <>
      {Object.entries(fields).map(([name, value]) => (
        <input type="hidden" name={name} value={value} />
      ))}
      <header>
        <div>
          <h1 id="sheet-h" tabindex={-1}>
            {title}
          </h1>
          {about !== undefined && <p>{about}</p>}
        </div>
        <a class="btn btn-quiet" href={away} aria-label="Close" data-close>
          <Icon name="close" />
        </a>
      </header>
      <div class="body">{children}</div>
      <footer>
        {hint !== undefined && <p class="hint">{hint}</p>}
        <a class="btn" href={away} data-close>
          {back.text ?? 'Cancel'}
        </a>
        {act}
      </footer>
    </>
  );
};

/**
 * What is asked before something bulk or final is done. It is a page at its own address; a link with `dialog` opens the same
 * page over the one it stands on, where there is a script.
 */
export const Sheet: FC<PropsWithChildren<SheetProps>> = (props) => {
  const { base } = useView();
  return (
    <div class="sheet panel" data-sheet>
      {props.action === undefined ? (
        <Inside {...props} />
      ) : (
        <form method="post" action={href({ base }, props.action)}>
          <Inside {...props} />
        </form>
      )}
    </div>
  );
};
