# The function app on Microsoft's own image, host and all. Azure itself needs none: Flex Consumption takes the package.
# For Container Apps, Kubernetes, or `docker compose up` (compose.yaml).
ARG PYTHON=3.13
FROM mcr.microsoft.com/azure-functions/python:4-python${PYTHON} AS packages
COPY requirements.txt /
# Into a folder of their own: the host looks there, and no compiler ends up in the image that runs.
RUN pip install --no-cache-dir --no-compile --prefer-binary --target /packages --requirement /requirements.txt

FROM mcr.microsoft.com/azure-functions/python:4-python${PYTHON}
ENV AzureWebJobsScriptRoot=/home/site/wwwroot \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    AzureWebJobsDisableHomepage=true \
    FUNCTIONS_REQUEST_BODY_SIZE_LIMIT=125829120 \
    PYTHON_ENABLE_INIT_INDEXING=1 \
    PYTHONPATH=/home/site/wwwroot/.python_packages/lib/site-packages \
    # A port that needs no root, and a home that this user may write to.
    ASPNETCORE_URLS=http://+:8080 \
    HOME=/home/app \
    TMPDIR=/tmp
RUN useradd --uid 10001 --create-home --home-dir /home/app app \
    && mkdir -p /home/LogFiles /home/data /azure-functions-host/Secrets \
    && chown -R app:app /home/LogFiles /home/data /azure-functions-host/Secrets
COPY --from=packages --link /packages /home/site/wwwroot/.python_packages/lib/site-packages
COPY --link host.json function_app.py requirements.txt /home/site/wwwroot/
COPY --link functions /home/site/wwwroot/functions
COPY --link shared_code /home/site/wwwroot/shared_code
USER 10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8080/health', timeout=4)"]
