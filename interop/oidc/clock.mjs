// A clock that a test can move ahead, for what oidc-provider keeps for a minute. Timers, and the Date header of responses, stay
// with the real one.
const RealDate = globalThis.Date;
let ahead = 0;

globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    super(...(args.length > 0 ? args : [Date.now()]));
  }

  static now() {
    return RealDate.now() + ahead;
  }
};

export function advance(milliseconds) {
  ahead += milliseconds;
  return ahead;
}
