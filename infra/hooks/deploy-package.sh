#!/bin/sh
# deploy-package.sh PACKAGE.zip BUILD [APP…]: the same package to each app, by default to all of FUNCTION_APPS. BUILD is true where Azure installs requirements.txt
# (as azd does), false where the package holds .python_packages already (as the workflows build it). Also how one rolls back.
case ${1:-} in /*) package=$1 ;; *) package=$PWD/${1:-} ;; esac
. "$(dirname "$0")/common.sh"

need az
want AZURE_RESOURCE_GROUP
[ $# -ge 2 ] || die "usage: deploy-package.sh PACKAGE.zip true|false [APP…]"
build=$2
shift 2
if [ $# -eq 0 ]; then
  want FUNCTION_APPS
  # shellcheck disable=SC2046 # one word for each app
  set -- $(words "$FUNCTION_APPS")
fi
[ -f "$package" ] || die "there is no $package"
for app in "$@"; do
  say "deploying $(basename "$package") to $app"
  az functionapp deployment source config-zip --resource-group "$AZURE_RESOURCE_GROUP" --name "$app" --src "$package" \
    --build-remote "$build" --output none
done
