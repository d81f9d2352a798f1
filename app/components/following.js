// Notes that a link to another page was followed. Until the server has sent that page, a message from a component of the page that is
// left would reach the server as a request for it, and lead back there: `followingLink` says that such a message must not be sent.
// What draws a part of the page every second asks for it all the same. Where that has led back, the link is clicked again.

if (!window.followingLink) {
  const PATIENCE = 10_000; // milliseconds after which the next page is no longer awaited
  const REPEATS = 2; // clicks on a link for which the page that is left was drawn again
  let followed = null; // link and address, where it was, until when its page is awaited, whether the server draws since, and the clicks left

  window.followingLink = () => followed !== null && followed.from === location.pathname && performance.now() < followed.until;

  const arrive = () => {
    if (!window.followingLink()) followed = null;
  };
  const stay = (event) => {
    arrive();
    if (event.isTrusted && followed) followed.repeats = 0; // the person goes on where they are
  };
  const follow = (event) => {
    arrive();
    const link = event.composedPath().find((one) => one.localName === "a" && one.href);
    const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || (link?.target || "_self") !== "_self";
    if (!link || opensElsewhere || link.hasAttribute("download") || link.origin !== location.origin || link.pathname === location.pathname) {
      stay(event);
      return;
    }
    const repeats = event.isTrusted || !followed ? REPEATS : followed.repeats;
    followed = { link, href: link.href, from: location.pathname, until: performance.now() + PATIENCE, draws: false, repeats };
  };
  const look = () => {
    const app = document.querySelector("[data-testid=stApp]");
    if (!app || !window.followingLink()) return;
    if (app.dataset.testScriptState === "running") followed.draws = true;
    if (app.dataset.testScriptState !== "notRunning" || !followed.draws) return;
    if (followed.repeats === 0 || !followed.link.isConnected || followed.link.href !== followed.href) {
      followed = null; // the page that was left is there to stay
      return;
    }
    followed.draws = false;
    followed.repeats -= 1;
    followed.link.click();
  };
  new MutationObserver(look).observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ["data-test-script-state"] });
  document.addEventListener("click", follow, true);
  document.addEventListener("pointerdown", stay, true);
  window.addEventListener("keydown", stay, true);
  window.addEventListener("popstate", () => {
    followed = null;
  }, true);
}
