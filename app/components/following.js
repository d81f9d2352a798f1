// Notes that a link to another page was followed. Until the server has sent that page, a message from a component of the page that is
// left would reach the server as a request for it, and lead back there: `followingLink` says that such a message must not be sent.

if (!window.followingLink) {
  const PATIENCE = 10_000; // milliseconds after which the next page is no longer awaited
  let followed = null; // where the link was, and until when the next page is awaited

  window.followingLink = () => followed !== null && followed.from === location.pathname && performance.now() < followed.until;

  const arrive = () => {
    if (!window.followingLink()) followed = null;
  };
  const follow = (event) => {
    arrive();
    const link = event.composedPath().find((one) => one.localName === "a" && one.href);
    const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || (link?.target || "_self") !== "_self";
    if (!link || opensElsewhere || link.hasAttribute("download") || link.origin !== location.origin || link.pathname === location.pathname) return;
    followed = { from: location.pathname, until: performance.now() + PATIENCE };
  };
  document.addEventListener("click", follow, true);
  for (const kind of ["keydown", "popstate"]) window.addEventListener(kind, arrive, true);
}
