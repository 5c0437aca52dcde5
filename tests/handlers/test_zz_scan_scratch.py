import io, time, pypdfium2
from tests.handlers.test_drawing_schedule import *
from tests.handlers.test_drawing_schedule import _sheet
from tests.handlers.office import scanned_pdf
@pytest.mark.parametrize("dpi",[150,200,300])
@pytest.mark.parametrize("which",[HARBOUR,CLINIC])
def test_scan(integrator,dpi,which):
    doc=pypdfium2.PdfDocument(which)
    pages=[p.render(scale=dpi/72).to_pil() for p in doc]
    content=scanned_pdf(*pages)
    t=time.time()
    job_id=integrator.submit(content).json["job_id"]
    integrator.work()
    job=integrator.status(job_id)
    print(dpi, which.name, pages[0].size, len(content), time.time()-t, job["status"], job.get("error"), job.get("result"))
    if job["status"]=="completed":
        rows=_sheet(integrator.file(job_id,"excel"))
        print(rows[0][0], sum(r in rows[3:] for r in listed(which)), len(listed(which)), len(rows[3:]))
        print([ (a,b) for a,b in zip(rows[3:],listed(which)) if a!=b][:4])
