function claims(token) {
  try {
    return JSON.parse(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')));
  } catch {
    return {};
  }
}

/** An answer of the gateway that is not a success (RFC 9457), by its slug. */
class Problem extends Error {
  constructor(status, body) {
    super(body?.detail || body?.title || `HTTP ${status}`);
    this.status = status;
    this.slug = body?.type?.split(':').pop();
  }
}

/** Calls to the gateway: the token, repeats that are safe, and what to say when one is refused. */
class Requests extends HTMLElement {
  get token() { return this._token ?? this.getAttribute('token'); }
  set token(value) {
    this._token = value;
    this._takers.splice(0).forEach((take) => take(value));
  }

  async _freshToken(refused) {
    const { token } = this;
    if (token && !refused && !(claims(token).exp * 1000 < Date.now() + 5000)) return token;
    this._asking ??= this._askToken().finally(() => { this._asking = null; });
    return this._asking;
  }

  async _askToken() {
    const given = new Promise((take) => this._takers.push(take));
    if (this.tokenProvider) this.token = await this.tokenProvider();
    else this._emit('kefu-token-needed');
    const token = await Promise.race([given, pause(30000)]);
    if (!token) throw new Problem(401, { type: 'unauthenticated' });
    return token;
  }

  /** One request, repeated until answered where that is safe: a GET, or anything under a key. */
  async _request(method, path, { body, type, key } = {}) {
    let refused = false;
    for (let tries = 1; ; tries += 1) {
      let problem;
      let wait = Math.min(500 * 2 ** tries, 15000) * (0.75 + Math.random() / 2);
      try {
        const headers = { Authorization: `Bearer ${await this._freshToken(refused)}` };
        if (body) headers['Content-Type'] = type ?? 'application/json';
        if (key) headers['Idempotency-Key'] = key;
        const response = await fetch(this.base + path, { method, headers, body: type ? body : JSON.stringify(body) });
        const answer = await response.json().catch(() => null);
        if (response.ok) return answer;
        problem = new Problem(response.status, answer);
        wait = Math.min(response.headers.get('Retry-After'), 30) * 1000 || wait;
      } catch (error) {
        problem = error instanceof Problem ? error : new Problem(0, { type: 'offline' });
      }
      const { status, slug } = problem;
      if (status === 401 && !refused) refused = true;
      else if (tries < TRIES && (key || method === 'GET') && (!status || status === 429 || status > 501 || slug === 'idempotency-key-in-flight')) await pause(wait);
      else throw problem;
    }
  }

  _post(call, body, key = newKey()) {
    return this._request('POST', `${this._path}/${call}`, { body, key });
  }

  get _path() { return pathOf(this._session.id); }

  /** Runs a visitor's command once, and says what went wrong. A button that were disabled would lose the focus. */
  async _command(control, call, body = {}) {
    if (control.ariaBusy) return undefined;
    control.ariaBusy = true;
    this._alert();
    try {
      await this._post(call, body);
      return true;
    } catch (problem) {
      this._report(problem);
      return false;
    } finally {
      control.ariaBusy = null;
    }
  }

  _alert(text) { show(this.ui.alert, text); }

  _explain({ slug, message }) {
    return this.t(/provider-/.test(slug) ? 'provider_error' : slug) ?? message;
  }

  _report(problem) {
    this._alert(this._explain(problem));
    this._emit('kefu-error', problem);
    this._render();
  }

  _emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}
