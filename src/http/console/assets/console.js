// The console's script. Every page works without it: it keeps times fresh, follows what changes, opens dialogs over the page
// and listens to a few keys.

const root = document.documentElement;
const zone = root.dataset.zone || 'UTC';
const base = root.dataset.base || '';

// Times: the same words as the server's.
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;
const two = (first, unit, next, smaller) =>
  first < 10 && next > 0 ? `${first} ${unit} ${next} ${smaller}` : `${first} ${unit}`;
const span = (ms) => {
  const size = Math.abs(ms);
  if (size < minute) return `${Math.floor(size / second)} s`;
  if (size < hour) return `${Math.floor(size / minute)} min`;
  if (size < day) return two(Math.floor(size / hour), 'h', Math.floor((size % hour) / minute), 'min');
  return two(Math.floor(size / day), 'd', Math.floor((size % day) / hour), 'h');
};
const clock = (at) =>
  new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', hour: '2-digit', minute: '2-digit' }).format(at);
const refreshTimes = () => {
  for (const time of document.querySelectorAll('time[data-as]')) {
    const ms = Date.parse(time.dateTime) - Date.now();
    const as = time.dataset.as;
    // Far back it is the date, which stays.
    if (ms < -30 * day && as !== 'due') continue;
    const past = as === 'since' ? span(ms) : as === 'due' ? `${span(ms)} overdue` : `${span(ms)} ago`;
    const text = ms >= second && as !== 'since' ? `in ${span(ms)}` : past;
    if (time.textContent !== text) time.textContent = text;
  }
};
setInterval(refreshTimes, 15 * second);

// A polite word for those who do not see the page change, rarely.
let announcedAt = 0;
const announce = (text) => {
  const place = document.getElementById('announce');
  if (place === null || Date.now() - announcedAt < 30 * second) return;
  announcedAt = Date.now();
  place.textContent = text;
};

// Live: the stream says what changed, the page is fetched again, and the parts that depend on it are replaced.
const mark = document.getElementById('live');
let brokenSince = 0;
let signedOut = false;
let hears = false;
const staleWords = () =>
  signedOut ? 'Signed out, reload the page to sign in' : `Not live since ${clock(brokenSince)}, reconnecting`;
const showState = (state) => {
  if (mark === null) return;
  const text = document.getElementById('live-text');
  const time = mark.querySelector('time');
  if (state === 'stale') brokenSince ||= Date.now();
  else {
    brokenSince = 0;
    signedOut = false;
  }
  mark.dataset.state = state;
  if (text !== null) text.textContent = state === 'stale' ? staleWords() : 'Live, changed';
  if (time !== null) time.hidden = state === 'stale';
};
const touch = () => {
  const time = mark?.querySelector('time');
  if (!time) return;
  time.dateTime = new Date().toISOString();
  time.removeAttribute('title');
  refreshTimes();
};

const rowIds = (part) => new Set([...part.querySelectorAll('tr[data-id], li[data-id]')].map((row) => row.dataset.id));
const busy = (part) =>
  part.contains(document.activeElement) || (part.querySelector('table, .timeline') !== null && part.matches(':hover'));
const ticked = (part) => part.querySelector('.tick input:checked') !== null;

const replace = (part, fresh) => {
  const before = rowIds(part);
  const isNew = (row) => before.size > 0 && !before.has(row.dataset.id);
  for (const row of fresh.querySelectorAll('tr[data-id], li[data-id]')) row.classList.toggle('fresh', isNew(row));
  part.replaceWith(fresh);
  enhance(fresh);
};

const offer = (part, fresh) => {
  const before = rowIds(part);
  const added = [...rowIds(fresh)].filter((id) => !before.has(id)).length;
  const text = added > 0 ? `${added} new, show` : 'Changed, show';
  let button = part.querySelector('.show-new');
  button?.remove();
  button = document.createElement('button');
  button.type = 'button';
  button.className = 'btn btn-small btn-quiet show-new';
  button.textContent = text;
  button.addEventListener('click', () => replace(part, fresh));
  (part.querySelector('.panel-head') ?? part).prepend(button);
  announce(text);
};

const update = (part, fresh) => {
  if (fresh === null || part.dataset.shown === fresh.outerHTML || part.outerHTML === fresh.outerHTML) return;
  const shown = fresh.outerHTML;
  if (busy(part) || ticked(part)) offer(part, fresh);
  else replace(part, fresh);
  fresh.dataset.shown = shown;
};

// A session that ended is led to the login page; the page that stands is marked, not replaced.
const fetchPage = async () => {
  const answer = await fetch(location.href, { headers: { accept: 'text/html' }, credentials: 'same-origin' });
  signedOut = answer.redirected;
  return answer.ok && !answer.redirected ? answer : null;
};

let fetching = false;
let again = null;
const refresh = async (topics) => {
  const wanted = (part) => part.dataset.live.split(' ').some((topic) => topic === 'any' || topics.includes(topic));
  const parts = [...document.querySelectorAll('[data-live]')].filter(wanted);
  if (parts.length === 0) return;
  if (fetching) {
    again = [...new Set([...(again ?? []), ...topics])];
    return;
  }
  fetching = true;
  try {
    const answer = await fetchPage();
    if (answer === null) return showState('stale');
    const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
    for (const part of parts) update(part, page.getElementById(part.id));
    const nav = document.querySelector('.nav');
    const counts = page.querySelector('.nav');
    if (nav !== null && counts !== null && !busy(nav)) nav.replaceChildren(...counts.childNodes);
    document.title = page.title;
    // The stream may have ended while the page was fetched.
    showState(hears ? 'live' : 'stale');
    touch();
  } catch {
    showState('stale');
  } finally {
    fetching = false;
    const next = again;
    again = null;
    if (next !== null) setTimeout(() => void refresh(next), second);
  }
};

const listen = () => {
  const stream = new EventSource(`${base}/console/live?since=${mark.dataset.since}`);
  stream.addEventListener('hello', () => {
    hears = true;
    showState('live');
  });
  stream.addEventListener('change', (event) => void refresh(JSON.parse(event.data).topics));
  stream.addEventListener('error', () => {
    hears = false;
    showState('stale');
    if (stream.readyState !== EventSource.CLOSED) return;
    // It was refused, and does not say why.
    void fetchPage()
      .then(() => showState('stale'))
      .catch(() => showState('stale'));
    setTimeout(listen, 10 * second);
  });
  addEventListener('pagehide', () => stream.close(), { once: true });
};
if (mark !== null) listen();

// Dialogs: a page at its own address, shown over this one.
const openDialog = async (link) => {
  const answer = await fetch(link.href, { headers: { accept: 'text/html' }, credentials: 'same-origin' });
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const sheet = page.querySelector('[data-sheet]');
  if (!answer.ok || sheet === null) return location.assign(link.href);
  const dialog = document.createElement('dialog');
  dialog.className = 'dialog';
  dialog.setAttribute('aria-labelledby', 'sheet-h');
  dialog.append(sheet);
  // Over another page it is not the main title.
  const title = document.createElement('h2');
  title.id = 'sheet-h';
  title.tabIndex = -1;
  const heading = sheet.querySelector('#sheet-h');
  title.append(...(heading?.childNodes ?? []));
  heading?.replaceWith(title);
  document.body.append(dialog);
  enhance(dialog);
  dialog.addEventListener('close', () => {
    dialog.remove();
    link.focus();
  });
  dialog.showModal();
  (dialog.querySelector('[data-autofocus]') ?? dialog.querySelector('#sheet-h'))?.focus();
};

document.addEventListener('click', (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  const close = target?.closest('dialog [data-close]');
  if (close && plain) {
    event.preventDefault();
    return close.closest('dialog').close();
  }
  const link = target?.closest('a[data-dialog]');
  if (link && plain) {
    event.preventDefault();
    return void openDialog(link);
  }
  const copy = target?.closest('[data-copy]');
  if (copy) void navigator.clipboard.writeText(copy.dataset.copy).then(() => (copy.textContent = 'Copied'));
});

// Forms: filters that are not set stay out of the address; a button that was pressed says what it does.
document.addEventListener('submit', (event) => {
  const form = event.target;
  if (form.matches('[data-drop-empty]')) {
    for (const field of form.elements) if (field.value === '') field.disabled = true;
  }
  const button = event.submitter;
  if (form.method !== 'post' || button === null) return;
  // Not at once: a disabled button would not send its own value.
  setTimeout(() => {
    button.disabled = true;
    if (button.dataset.busy) button.textContent = button.dataset.busy;
  });
});
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  for (const field of document.querySelectorAll('form [disabled]:not(.btn)')) field.disabled = false;
});

const enhance = (within) => {
  if (navigator.clipboard) for (const button of within.querySelectorAll('[data-copy]')) button.hidden = false;
  for (const bar of within.querySelectorAll('[data-selection]')) showSelection(bar);
  for (const box of within.querySelectorAll('.scroll')) if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
};

// Tick boxes: how many, beside the button that acts on them.
const showSelection = (bar) => {
  const boxes = [...document.querySelectorAll(`.tick input[form="${bar.dataset.selection}"]`)];
  const n = boxes.filter((box) => box.checked).length;
  const text = bar.querySelector('[data-selected]');
  if (text !== null) text.textContent = n === 0 ? 'None selected' : `${n} selected`;
  for (const button of bar.querySelectorAll('button[type="submit"][data-some]')) button.disabled = n === 0;
};
document.addEventListener('change', (event) => {
  const form = event.target.closest?.('.tick input')?.getAttribute('form');
  const bar = form && document.querySelector(`[data-selection="${form}"]`);
  if (bar) showSelection(bar);
});

// Keys: off inside fields and dialogs, and where the Account page says so.
const rows = () => [...document.querySelectorAll('main tbody tr[data-id]')];
const current = () => document.querySelector('tr[data-row="current"]');
const move = (step) => {
  const all = rows();
  const next = all[Math.min(all.length - 1, Math.max(0, all.indexOf(current()) + step))];
  current()?.removeAttribute('data-row');
  if (next === undefined) return;
  next.dataset.row = 'current';
  next.scrollIntoView({ block: 'nearest' });
  (next.querySelector('.id a, .lead a, a') ?? next).focus();
};
const showKeys = () => location.assign(`${base}/console/account#keys`);
const keys = {
  '/': () => document.getElementById('q')?.focus(),
  j: () => move(1),
  k: () => move(-1),
  x: () => current()?.querySelector('.tick input')?.click(),
  Enter: () => current()?.querySelector('a')?.click(),
  '?': showKeys,
};
document.addEventListener('keydown', (event) => {
  const target = event.target instanceof Element ? event.target : null;
  const taken = event.metaKey || event.ctrlKey || event.altKey || event.defaultPrevented;
  if (taken || root.dataset.keys === 'off' || document.querySelector('dialog[open]') !== null) return;
  if (target?.closest('input:not([type="checkbox"]), textarea, select, [contenteditable]')) return;
  // Enter on a link or button is theirs.
  if (event.key === 'Enter' && target?.closest('a, button, label, summary')) return;
  const act = keys[event.key];
  if (act === undefined) return;
  event.preventDefault();
  act();
});

enhance(document);
